"""What the formats take from our own: the one place that says where a report is defined."""

from reports.wire import EPOCH, MAX_AHEAD, InvalidReport, Report, iso, parse

__all__ = ["EPOCH", "MAX_AHEAD", "InvalidReport", "Report", "iso", "parse"]
