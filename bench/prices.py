"""What a million reports cost at AWS's list prices: requests, capacity units and the worker's CPU; nothing is kept."""

from __future__ import annotations

from collections.abc import Mapping

from reports.management.costs.prices import load

_PRICES = load()
QUOTED = f"AWS's list, {_PRICES}, without free tiers"
SQS_REQUEST = _PRICES.usd["sqs_million_requests"] / 1e6
WRITE_UNIT = _PRICES.usd["dynamodb_million_write_units"] / 1e6
READ_UNIT = _PRICES.usd["dynamodb_million_read_units"] / 1e6
#: On Fargate, its memory not counted.
CPU_MS = _PRICES.usd["fargate_vcpu_hour"] / 3_600_000
MONTH_MINUTES = 30 * 24 * 60


def dollars(row: Mapping[str, float], idle: Mapping[str, float] | None = None) -> dict[str, float]:
    """
    Return the dollars for a million reports, by kind, as far as the row was measured.

    idle: the requests of a minute without reports; those of a month are added, as if the million came in one hour.
    """
    by_kind = {
        "sqs": row["sqs_requests_per_report"] * 1e6 * SQS_REQUEST,
        "dynamodb_writes": row.get("write_units_per_report", 0.0) * 1e6 * WRITE_UNIT,
        "dynamodb_reads": row.get("read_units_per_report", 0.0) * 1e6 * READ_UNIT,
        "cpu": row["cpu_ms_per_report"] * 1e6 * CPU_MS,
    }
    if idle:
        # A heartbeat is one small write.
        by_kind["idle_sqs"] = idle["sqs_requests_per_minute"] * MONTH_MINUTES * SQS_REQUEST
        by_kind["idle_dynamodb"] = idle["dynamodb_requests_per_minute"] * MONTH_MINUTES * WRITE_UNIT
    return {**by_kind, "total": sum(by_kind.values())}
