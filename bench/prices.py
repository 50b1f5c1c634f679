"""
What a million reports cost at AWS's list prices.

us-east-1, on-demand, no free tier, as quoted on 2026-11-24. Sources: aws.amazon.com/sqs/pricing (standard queues),
aws.amazon.com/dynamodb/pricing/on-demand (standard table class, since November 2024). From secondary copies of
those pages: look them up before you budget. Storage, and the machine that a worker runs on, are not included.
"""

from __future__ import annotations

from collections.abc import Mapping

QUOTED = "2026-11-24, us-east-1, list"
SQS_REQUEST = 0.40 / 1e6
WRITE_UNIT = 0.625 / 1e6
READ_UNIT = 0.125 / 1e6
MONTH_MINUTES = 30 * 24 * 60


def dollars(row: Mapping[str, float], idle: Mapping[str, float] | None) -> dict[str, float]:
    """
    Return the dollars for a million reports of a backlog, by kind.

    idle: the requests of a minute without reports; those of a month are added, as if the million came in one hour.
    """
    sqs = row["sqs_requests_per_report"] * 1e6 * SQS_REQUEST
    writes = row.get("write_units_per_report", 0.0) * 1e6 * WRITE_UNIT
    by_kind = {"sqs": sqs, "dynamodb_writes": writes}
    if idle:
        # A heartbeat is one small write.
        by_kind["idle_sqs"] = idle["sqs_requests_per_minute"] * MONTH_MINUTES * SQS_REQUEST
        by_kind["idle_dynamodb"] = idle["dynamodb_requests_per_minute"] * MONTH_MINUTES * WRITE_UNIT
    return {**by_kind, "total": sum(by_kind.values())}
