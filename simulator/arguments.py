"""The arguments of a run, and which of them may be combined."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any

DAYS = 7
#: How far back a demonstration begins; all but every twentieth can were added DAYS ago.
DEMO_DAYS = 60


@dataclass(frozen=True, slots=True)
class Arguments:
    """
    The arguments of a run; None where one was not given.

    rate: reports a second. speedup: simulated seconds a second. days: how far back to begin. check: send nothing.
    demo: a long past of some cans, and faults. mountings: print which sensor is in which can, and send nothing.
    """

    cans: int = 500
    seed: int = 1
    rate: float | None = None
    speedup: float | None = None
    days: float | None = None
    start: datetime | None = None
    replay: str | None = None
    count: int | None = None
    format: str = "device"
    json: bool = False
    check: bool = False
    demo: bool = False
    mountings: bool = False

    @property
    def lab_format(self) -> bool:
        """Whether devices send the lab's two fields alone."""
        return self.format == "lab"

    @property
    def back(self) -> timedelta:
        """
        How far back to begin where no start is given.

        0 for a plain --rate, and for the lab's devices: they send no time, so their past would be stored as now.
        """
        if self.days is None:
            now_only = self.speedup is None and (self.rate is not None or self.lab_format)
            return timedelta(0 if now_only else DEMO_DAYS if self.demo else DAYS)
        return timedelta(self.days)

    @property
    def resumes(self) -> bool:
        """Whether the run begins where the last one ended, and leaves a place for the next."""
        return self.start is None and self.replay is None and self.back > timedelta(0)

    @property
    def in_full(self) -> bool:
        """Whether each report of the past is shown too: a count, a pace, a start or the lab's format was given."""
        return self.lab_format or (self.count or self.speedup or self.start) is not None

    @property
    def live_rate(self) -> float | None:
        """Reports a second in real time; None: when each sensor's turn comes. The lab's format sends one."""
        plain = (self.rate, self.speedup, self.days, self.start, self.replay) == (None,) * 5
        return 1.0 if plain and self.lab_format else self.rate


def add_to(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    pace = parser.add_mutually_exclusive_group()
    begin = parser.add_mutually_exclusive_group()
    parser.add_argument("--cans", type=_whole(1, 1_000_000), default=500, help="how many (default 500)")
    parser.add_argument("--seed", type=int, default=1, help="which fleet: same seed, same cans (default 1)")
    pace.add_argument(
        "--rate", type=_positive(100_000), metavar="N",
        help="reports a second, measured now; with --days, from when the past has been sent",
    )  # fmt: skip
    pace.add_argument(
        "--speedup", type=_positive(1e9), metavar="N",
        help="simulated seconds a second until the present is reached (default: as fast as possible)",
    )  # fmt: skip
    begin.add_argument(
        "--days", type=_positive(3650, zero=True), metavar="N",
        help="begin N days back, or where the last run of this fleet ended if that is later "
        "(default 7; 0 with --rate or --format lab)",
    )  # fmt: skip
    begin.add_argument(
        "--start", type=_instant, metavar="TIME",
        help="begin at this time, as 2026-11-17T08:00Z, whatever earlier runs sent",
    )  # fmt: skip
    begin.add_argument(
        "--replay", metavar="FILE.csv",
        help="send the rows of a file (.csv, .csv.gz, - for stdin) instead: can_id, level, measured_at, and "
        "further columns as attributes; numbers are sent as numbers",
    )  # fmt: skip
    parser.add_argument("--count", type=_whole(1, 10**12), metavar="N", help="end after N reports")
    parser.add_argument(
        "--format", choices=("device", "lab", "uplinks"), default="device",
        help="lab: only the lab's two fields; uplinks: bought sensors of five models through five network servers",
    )  # fmt: skip
    parser.add_argument(
        "--mountings", action="store_true",
        help="print which sensor of --format uplinks is in which can, for `manage.py mount`, and send nothing",
    )  # fmt: skip
    parser.add_argument(
        "--demo", action="store_true",
        help=f"{DEMO_DAYS} past days of every twentieth can, {DAYS} of the others, and some cans with faults: silent, "
        "stuck, jumping, tilted, and reports that are invalid",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print only one JSON object, at the end")
    parser.add_argument("--check", action="store_true", help="check the arguments, and send nothing")


def of(options: Mapping[str, Any]) -> Arguments:
    """Return the arguments among a command's parsed options."""
    return Arguments(**{each.name: options[each.name] for each in fields(Arguments)})


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise ArgumentTypeError(f"{text} is not a whole number from {least} to {most}")
        return int(text)

    return read


def _positive(most: float, *, zero: bool = False) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = -1.0
        if not isfinite(number) or not (0 < number <= most or (zero and number == 0)):
            raise ArgumentTypeError(f"{text} is not a number above 0{' or 0' * zero}, at most {most:g}")
        return number

    return read


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text} is not a time; write it as 2026-11-17T08:00Z") from None
    if instant.tzinfo is None:
        raise ArgumentTypeError(f"{text} has no time zone; add Z for UTC, or +01:00")
    return instant.astimezone(UTC)
