"""Loaded into a worker by `-I tests.reports.worker.hasty`: it looks often, and two seconds are a hang to it."""

from reports.worker import alive_file, heartbeat, overseer
from trashsite.sqs import channel, receiver, transport

receiver.WAIT_S = 1
channel.STALLED_S = transport.STALLED_S = 2.0
heartbeat.BEAT_S = 0.5
alive_file.EVERY_S = 0.2
overseer.EVERY_S = 1.0
