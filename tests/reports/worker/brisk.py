"""
Loaded into a worker by `-I tests.reports.worker.brisk`: what takes half a minute takes seconds.

What a killed worker held is back sooner, and a worker that hangs says so sooner.
"""

from reports.worker import heartbeat
from trashsite.sqs import channel, receiver, transport

receiver.VISIBILITY_S = 6
receiver.EXTEND_AFTER_S = 2.0
# Longer than a task takes on a busy machine while requests fail.
channel.STALLED_S = transport.STALLED_S = 10.0
heartbeat.BEAT_S = 1.0
