"""Loaded into a worker by `-I tests.reports.brisk`: what a killed worker held is back in seconds, not half a minute."""

from trashsite.sqs import receiver

receiver.VISIBILITY_S = 6
receiver.EXTEND_AFTER_S = 2.0
