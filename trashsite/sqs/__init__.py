"""
The kombu transport between SQS and Celery: device messages become task calls, many messages a call.

`delivery` is what a task gets of each message, `origin` who sent it first; `envelope` says which messages are Celery
calls; `entries` sends batch requests; `receiver` receives from one queue and keeps messages invisible while they are in
progress; `pacing` says when it receives; `dispatch` groups messages into batches and decides when to pause; `channel`
gives the batches to Celery's consumer; `transport` wakes its loop.
"""

from trashsite.sqs.transport import Transport

__all__ = ("Transport",)
