"""What a report takes of AWS, from the figures that `make bench ARGS="--json FILE"` writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

#: The figures of this version, written by the bench.
FIGURES = Path(__file__).with_name("measured.json")


class NotMeasured(Exception):
    """A file lacks figures; the text says which part of the bench measures them."""


@dataclass(frozen=True, slots=True)
class AtRate:
    """What a report takes that comes at a steady rate of `per_s` a second."""

    per_s: float
    sqs_requests: float
    cpu_ms: float
    log_bytes: float


@dataclass(frozen=True, slots=True)
class Measured:
    """
    What reports and an idle worker take.

    steady: by rate, the slowest first. replayed: by how many readings units and bytes were measured. write_units,
    read_units: of DynamoDB, a report. history_write_units: those of them that the history takes. history_bytes: that
    the history keeps of a report. idle_sqs_requests, idle_write_units: of a worker in a minute without reports.
    """

    date: str
    commit: str
    steady: tuple[AtRate, ...]
    replayed: int
    write_units: float
    history_write_units: float
    read_units: float
    history_bytes: float
    idle_sqs_requests: float
    idle_write_units: float

    @classmethod
    def load(cls, file: Path = FIGURES) -> Self:
        """Read the figures of a bench. Raises NotMeasured, and OSError where the file cannot be read."""
        try:
            figures = json.loads(file.read_text())
        except ValueError as error:
            raise NotMeasured(f"{file} is not JSON: {error}") from error
        try:
            replay, idle = _part(figures, "replay"), _part(figures, "idle")["worker"]
            return cls(
                date=str(figures["date"])[:10],
                commit=str(figures["commit"]),
                steady=tuple(sorted(_steady(_part(figures, "steady")), key=lambda each: each.per_s)),
                replayed=int(replay["reports"]),
                write_units=float(replay["write_units_per_report"]),
                history_write_units=float(replay["units"]["writes"].get("trash-level-history", 0.0)),
                read_units=float(replay["read_units_per_report"]),
                history_bytes=float(replay["history_bytes_per_report"]),
                idle_sqs_requests=float(idle["sqs_requests_per_minute"]),
                # A heartbeat is one small write.
                idle_write_units=float(idle["dynamodb_requests_per_minute"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise NotMeasured(f"{file} is not what the bench of this version writes: {error!r}") from error

    def at(self, per_s: float) -> AtRate:
        """Return the figures of the fastest rate that is not above this one, else of the slowest."""
        return next((each for each in reversed(self.steady) if each.per_s <= per_s), self.steady[0])


def _part(figures: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    if not figures.get(name):
        command = 'make bench ARGS="--only steady idle replay --json FILE"'
        raise NotMeasured(f"the file lacks the part {name}: run `{command}`")
    part: Mapping[str, Any] = figures[name]
    return part


def _steady(rates: Mapping[str, Any]) -> list[AtRate]:
    return [
        AtRate(
            per_s=float(rate),
            sqs_requests=float(rows["worker"]["sqs_requests_per_report"]),
            cpu_ms=float(rows["worker"]["cpu_ms_per_report"]),
            log_bytes=float(rows["worker"]["log_bytes_per_report"]),
        )
        for rate, rows in rates.items()
    ]
