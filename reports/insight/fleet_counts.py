"""The fleet in numbers: how many cans have which status, stream and level."""

from __future__ import annotations

import gzip
import heapq
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from reports.insight.fleet_map import Place, Points, bounds_of, gathered
from reports.insight.status import REPORTED, Status, outlook_of
from reports.report import EPOCH, Report, iso, percent

#: How many cans are listed as needing attention first, and those of which status, the most urgent first.
URGENT = 10
_ATTENTION = (Status.FIRE, Status.TILT, Status.FULL, Status.SILENT, Status.SUSPECT)
#: Streams in an overview, in what is kept of a count, and while it counts. Devices choose their names freely.
STREAMS = 12
STREAMS_KEPT, STREAMS_COUNTED = 100, 1_000


@dataclass(frozen=True, slots=True)
class Urgent:
    """A can that needs attention. measured_at: as the API writes it."""

    can_id: str
    level: str
    status: str
    stream: str
    measured_at: str | None


@dataclass(frozen=True, slots=True)
class Walked:
    """
    The cans that were read for streams, levels and map: how many, between which instants, as the API writes them.

    complete: whether these are all; else the rest follows.
    """

    cans: int
    since: str | None
    until: str | None
    complete: bool


@dataclass(frozen=True, slots=True)
class Overview:
    """
    Counts over the whole fleet, and the ten cans that need attention first.

    tenths: how many cans have a level of 0-9 %, 10-19 %, ..., 90-100 %. located: how many cans the places represent.
    cell: the height of a cell in degrees of latitude, 0 where each place is a can. exact: whether each can was read for
    total and by_status; else they were counted by index. suspect: cans whose level is not to be trusted, also of those
    that are FULL. walked: what was read for suspect, by_stream, tenths and places.
    full_by_stream: how many cans of those streams are full.
    """

    total: int
    by_status: Mapping[str, int]
    suspect: int
    by_stream: Mapping[str, int]
    tenths: Sequence[int]
    places: Sequence[Place]
    located: int
    urgent: Sequence[Urgent] = ()
    cell: float = 0
    exact: bool = True
    walked: Walked = Walked(0, None, None, True)
    full_by_stream: Mapping[str, int] = field(default_factory=dict)

    def packed(self, most_bytes: int) -> bytes:
        """Return it as compressed JSON; where it would be too long, cans are gathered into cells."""
        body = _compressed(asdict(self))
        if len(body) <= most_bytes:
            return body
        cell, places = gathered(self.places, bounds_of(self.places))
        return _compressed(asdict(replace(self, cell=cell, places=[replace(place, can_id="") for place in places])))

    @classmethod
    def unpacked(cls, body: bytes) -> Overview:
        """Return what `packed` packed. Raises KeyError, TypeError, ValueError for anything else."""
        read: dict[str, Any] = json.loads(gzip.decompress(body))
        read["places"] = [Place(**place) for place in read["places"]]
        read["urgent"] = [Urgent(**urgent) for urgent in read["urgent"]]
        return cls(**{**read, "walked": Walked(**read["walked"])})


@dataclass(slots=True)
class Count:
    """
    Counts cans, in memory of constant size: call `add` or `pass_over` once for each, then `overview`.

    seen: those out of service too. in_ranges: how many of these were in which range of the indexes, by its name.
    """

    seen: int = 0
    total: int = 0
    by_status: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(REPORTED, 0)))
    by_stream: Counter[str] = field(default_factory=Counter)
    full_by_stream: Counter[str] = field(default_factory=Counter)
    in_ranges: Counter[str] = field(default_factory=Counter)
    tenths: list[int] = field(default_factory=lambda: [0] * 10)
    points: Points = field(default_factory=Points)
    urgent: list[tuple[Decimal, float, Urgent]] = field(default_factory=list)
    suspect: int = 0

    def pass_over(self, ranges: Iterable[str] = ()) -> None:
        """Count one can that is out of service."""
        self.seen += 1
        self.in_ranges.update(ranges)

    def add(
        self,
        report: Report,
        place: tuple[float, float] | None,
        stream: str | None,
        now: datetime,
        ranges: Iterable[str] = (),
    ) -> None:
        """Count one can; place: where it is, latitude and longitude, if that is known. ranges: those that hold it."""
        level = percent(report.level)
        outlook = outlook_of(report)
        can_status = outlook.at(now)
        self.seen += 1
        self.total += 1
        self.by_status[can_status] += 1
        self.suspect += outlook.is_suspect(can_status)
        self.by_stream[stream or ""] += 1
        if can_status == Status.FULL:
            self.full_by_stream[stream or ""] += 1
        self.in_ranges.update(ranges)
        if len(self.by_stream) > STREAMS_COUNTED:
            self.by_stream = Counter(dict(self.by_stream.most_common(STREAMS_COUNTED // 2)))
            self.full_by_stream = Counter({name: self.full_by_stream[name] for name in self.by_stream})
        # A level that is too old to be trusted says nothing about now.
        if level is not None and not outlook.is_old(now):
            self.tenths[min(9, max(0, int(level) // 10))] += 1
        if can_status in _ATTENTION:
            # By status; of full cans the fullest first, of others the one that reported longest ago.
            rank = Decimal(-1000 * _ATTENTION.index(can_status))
            if can_status == Status.FULL:
                rank += level or Decimal(0)
            since_s = (report.measured_at - EPOCH).total_seconds() if report.measured_at else 0.0
            self.urgent.append((rank, -since_s, urgent(report, can_status, stream)))
            if len(self.urgent) > 200:
                self.urgent = self._first()
        if place:
            is_full = int(can_status == Status.FULL)
            self.points.add(Place(*place, int(level or 0), str(can_status), report.can_id, full=is_full))

    def alarmed(self) -> list[str]:
        """Return the ids of up to ten cans that were counted as FIRE or TILT."""
        return [each.can_id for _, _, each in self._first() if each.status in (Status.FIRE, Status.TILT)]

    def _first(self) -> list[tuple[Decimal, float, Urgent]]:
        return heapq.nlargest(URGENT, self.urgent, key=lambda each: (each[0], each[1], each[2].can_id))

    def overview(self, walked: Walked) -> Overview:
        """Return the counts so far, of a fleet of which each can was counted just now."""
        cell, places = self.points.places()
        by_stream = dict(self.by_stream.most_common(STREAMS))
        return Overview(
            total=self.total,
            by_status={str(name): cans for name, cans in self.by_status.items()},
            suspect=self.suspect,
            by_stream=by_stream,
            tenths=list(self.tenths),
            places=places,
            located=self.points.count,
            urgent=[first for _, _, first in self._first()],
            cell=cell,
            walked=walked,
            full_by_stream={name: self.full_by_stream[name] for name in by_stream},
        )

    def estimated(self, walked: Walked, in_ranges: Mapping[str, int], urgent: Sequence[Urgent]) -> Overview:
        """
        Return an overview of a fleet that was counted here some time ago, or in part, and now by the indexes.

        in_ranges: how many cans are in which range now: "" holds all; one with the name of a status about those
        that have it. By how much that range is wrong, as where a can is out of service, silent as well as full, or has
        a threshold of its own, was seen for each can that was counted here, and is taken to be so still.
        """
        scale = in_ranges[""] / self.seen if self.seen else 0.0
        total = self._estimate(in_ranges, "", self.total, scale)
        by_status = {
            str(name): self._estimate(in_ranges, name, self.by_status[name], scale)
            for name in self.by_status
            if name != Status.OK
        }
        # Of few cans that were seen, more may seem to be of a status without a range than there are cans at all.
        excess = max(0, sum(by_status.values()) - total)
        for name in sorted(by_status.keys() - in_ranges.keys(), key=lambda name: -by_status[name]):
            taken = min(excess, by_status[name])
            by_status[name] -= taken
            excess -= taken
        ok = max(0, total - sum(by_status.values()))
        return replace(
            self.overview(walked),
            total=ok + sum(by_status.values()),
            by_status={str(name): by_status.get(str(name), ok) for name in self.by_status},
            suspect=min(round(self.suspect * scale), total),
            urgent=urgent,
            exact=False,
        )

    def _estimate(self, in_ranges: Mapping[str, int], name: str, counted: int, scale: float) -> int:
        return max(0, in_ranges.get(name, 0) + round((counted - self.in_ranges[name]) * scale))

    def packed(self, most_bytes: int, **beside: Any) -> bytes:
        """Return it as compressed JSON, and something beside it."""
        body = self._packed(beside)
        if len(body) > most_bytes:
            self.points.shrink()
            body = self._packed(beside)
        return body

    def _packed(self, beside: Mapping[str, Any]) -> bytes:
        kept = {name: getattr(self, name) for name in ("seen", "total", "by_status", "suspect", "in_ranges", "tenths")}
        return _compressed(
            {
                **kept,
                **self.points.members(),
                "by_stream": dict(self.by_stream.most_common(STREAMS_KEPT)),
                "full_by_stream": {
                    name: self.full_by_stream[name] for name, _ in self.by_stream.most_common(STREAMS_KEPT)
                },
                "urgent": [[str(rank), since_s, asdict(each)] for rank, since_s, each in self._first()],
                "beside": beside,
            }
        )

    @classmethod
    def unpacked(cls, body: bytes) -> tuple[Count, Mapping[str, Any]]:
        """Return what `packed` packed. Raises KeyError, TypeError, ValueError for anything else."""
        read = json.loads(gzip.decompress(body))
        points = Points.of_members(read)
        by_status = Counter({**dict.fromkeys(REPORTED, 0), **read["by_status"]})
        by_stream, in_ranges = Counter(read["by_stream"]), Counter(read["in_ranges"])
        full = Counter(read["full_by_stream"])
        first = [(Decimal(rank), since_s, Urgent(**each)) for rank, since_s, each in read["urgent"]]
        totals = read["seen"], read["total"]
        count = cls(*totals, by_status, by_stream, full, in_ranges, read["tenths"], points, first, read["suspect"])
        return count, read["beside"]


def urgent(report: Report, can_status: Status, stream: str | None) -> Urgent:
    """Return a can as one that needs attention."""
    at = report.measured_at
    return Urgent(report.can_id, report.level, str(can_status), stream or "", iso(at) if at else None)


def _compressed(value: Any) -> bytes:
    return gzip.compress(json.dumps(value, separators=(",", ":")).encode(), compresslevel=6)
