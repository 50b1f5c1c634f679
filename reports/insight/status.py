"""The status of a can: the words, which of them holds when while no report comes; and whether it is in service."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from reports.report import Report, percent

#: A can is full from this percentage on, where nothing else is known of it.
FULL_FROM = Decimal(80)
#: Below the threshold by no more than this many points a can stays full, once it was.
HYSTERESIS = Decimal(5)
#: A can is filling from this share of its threshold on.
FILLING_SHARE = Decimal("0.75")
#: A can whose rhythm is not known is silent when its newest report is older than this; no can is silent later.
SILENT_AFTER = timedelta(hours=24)


class Status(StrEnum):
    """What an operator should know about a can first, the most urgent first."""

    FIRE = "FIRE"
    TILT = "TILT"
    FULL = "FULL"
    SILENT = "SILENT"
    SUSPECT = "SUSPECT"
    FILLING = "FILLING"
    OK = "OK"
    NEW = "NEW"
    NEVER_REPORTED = "NEVER_REPORTED"


#: Those that a can with a report may have.
REPORTED = tuple(status for status in Status if status is not Status.NEVER_REPORTED)
#: Those of a can whose level is not to be trusted: only a look tells.
DOUBTFUL = frozenset({Status.SUSPECT, Status.TILT})
#: Ends an outlook of a can that is FULL, by a level that is not to be trusted.
_DOUBTED = "DOUBTED"


@dataclass(frozen=True, slots=True)
class Outlook:
    """
    Which status a can has from when on while no report comes: so silence needs no write.

    silent_at: after this instant its level is too old to be trusted, None where no time is known. steps: after which
    instant which status holds, in order; the first holds at once. is_doubted: where it is FULL, that is by a level
    which is not to be trusted. Instants in seconds since 1970.
    """

    silent_at: int | None
    steps: tuple[tuple[int, Status], ...]
    is_doubted: bool = False

    def at(self, now: datetime) -> Status:
        """Return the status at an instant."""
        now_s, found = now.timestamp(), self.steps[0][1]
        for after, status in self.steps[1:]:
            if now_s > after:
                found = status
        return found

    def is_suspect(self, status: Status) -> bool:
        """Say whether the level of the can is not to be trusted while it has this status."""
        return status in DOUBTFUL or (self.is_doubted and status is Status.FULL)

    def is_old(self, now: datetime) -> bool:
        """Say whether the newest level is too old to be trusted at an instant."""
        return self.silent_at is not None and now.timestamp() > self.silent_at

    def text(self, at: int) -> str:
        """
        Return it as its row keeps it, as `1767571200 7200 OK 7200 SILENT`: the second of the newest report, then
        silent_at, the first status, and the other steps, in seconds from there, and `DOUBTED` where it is.
        """
        silent = "-" if self.silent_at is None else self.silent_at - at
        (_, first), *rest = self.steps
        doubted = [_DOUBTED] if self.is_doubted else []
        return " ".join([f"{at} {silent} {first}", *(f"{after - at} {then}" for after, then in rest), *doubted])


def status(report: Report, now: datetime) -> Status:
    """Return the status of a can at an instant; report: its newest, as the store gives it."""
    return outlook_of(report).at(now)


def is_old(report: Report, now: datetime) -> bool:
    """Say whether a can's newest level, as the store gives it, is too old to be trusted at an instant."""
    return outlook_of(report).is_old(now)


def outlook_of(report: Report) -> Outlook:
    """Return the outlook of the can whose newest report this is; by that report alone where its row says none."""
    try:
        second, silent, first, *rest = report.outlook.split()
        if is_doubted := rest[-1:] == [_DOUBTED]:
            rest.pop()
        at = int(second)
        if report.measured_at is not None and int(report.measured_at.timestamp()) == at:
            steps = [(at + int(after), Status(then)) for after, then in zip(rest[::2], rest[1::2], strict=True)]
            return Outlook(None if silent == "-" else at + int(silent), ((at, Status(first)), *steps), is_doubted)
    except ValueError:
        pass
    # Version 0.1, and the lab's own service, write none, or leave the one of an earlier report.
    return _by_level(report)


def may_be_suspect(text: str) -> bool:
    """Say whether the level of a can with this outlook is not to be trusted, now or later while no report comes."""
    return any(word in text for word in (*DOUBTFUL, _DOUBTED))


def is_out_of_service(retired_at: datetime | None, measured_at: datetime | None) -> bool:
    """
    Say whether a can is out of service: a report measured after its owner took it out brings it back.

    retired_at: when that was, None where it never was. measured_at: of its newest report, None where no time is known.
    """
    return retired_at is not None and (measured_at is None or measured_at <= retired_at)


def _by_level(report: Report) -> Outlook:
    """
    Return the outlook by the newest report alone: FULL, or OK and a day later SILENT.

    A can whose level another service wrote without a time is not called silent.
    """
    number, at = percent(report.level), report.measured_at
    silent_at = None if at is None else int((at + SILENT_AFTER).timestamp())
    if number is not None and number >= FULL_FROM:
        return Outlook(silent_at, ((0, Status.FULL),))
    silent = () if silent_at is None else ((silent_at, Status.SILENT),)
    return Outlook(silent_at, ((0, Status.OK), *silent))
