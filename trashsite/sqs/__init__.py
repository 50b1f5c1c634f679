"""
The seam between SQS and Celery: device messages become task calls, many at a time.

`delivery` what a task gets of each message; `envelope` which messages are Celery calls; `receiver` takes
messages from one queue and keeps them invisible while they are in hand; `dispatch` folds them into batches and
tells when to hold still; `channel` gives the batches to Celery's consumer; `transport` wakes its loop.
"""

from trashsite.sqs.transport import Transport

__all__ = ("Transport",)
