"""The fleet as it was asked for: a page of it, or all of it as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from tempfile import SpooledTemporaryFile

from django.http import FileResponse

from reports import store
from reports.insight.status import is_old, status
from reports.models import Can, facts_of, retired, streams
from reports.report import Report
from reports.web import cursors
from reports.web.answers import Row, instant
from reports.web.csv_cells import harmless
from reports.web.queries import FleetQuery

COLUMNS = (
    "can_id", "name", "address", "stream", "level", "status", "measured_at", "received_at", "latitude", "longitude",
)  # fmt: skip
#: A CSV file up to this size is made in memory, a larger one on disk: some 80,000 cans.
IN_MEMORY_BYTES = 8 * 1024 * 1024


@dataclass(slots=True)
class FleetListing:
    """A query of the fleet and what it needs of Django's database: at most three queries a page."""

    query: FleetQuery
    root: str
    now: datetime
    retired: dict[str, Can] = field(default_factory=retired)
    streams: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.streams = streams() if self.query.stream else {}

    def page(self) -> tuple[list[Row], str | None, str | None, bool]:
        """
        Return the rows, the cursors of the pages after and before, and whether it stopped before it was full.

        Raises StoreUnavailable.
        """
        query = self.query
        ranked = self._ranked(query)
        backwards = query.before is not None
        has_next = backwards or ranked.more
        has_previous = ranked.more if backwards else query.after is not None
        last, first = ranked.last or query.after or query.before, ranked.first or query.before or query.after
        return (
            self._rows(ranked),
            cursors.seal(f">{last}", query.scope) if has_next and last else None,
            cursors.seal(f"<{first}", query.scope) if has_previous and first else None,
            ranked.stopped,
        )

    def all(self) -> Iterator[Row]:
        """Yield every row of the query from its page on. Raises StoreUnavailable, also in the middle."""
        query = replace(self.query, size=cursors.MAX_SIZE)
        while True:
            ranked = self._ranked(query)
            yield from self._rows(ranked)
            if not ranked.more or query.before is not None:
                return
            query = replace(query, after=ranked.last)

    def _ranked(self, query: FleetQuery) -> store.Ranked:
        bounds, is_whole = query.bounds(self.now)
        keep = None if is_whole and not self.retired else self._is_wanted
        return store.ranked(query.order, after=query.after, before=query.before, keep=keep, size=query.size, **bounds)

    def _is_wanted(self, report: Report) -> bool:
        can = self.retired.get(report.can_id)
        if can and can.is_retired(report.measured_at):
            return False
        stream = self.streams.get(report.can_id) or report.stream or ""
        return self.query.matches(report, stream, self.now)

    def _rows(self, ranked: store.Ranked) -> list[Row]:
        cans = facts_of(report.can_id for report in ranked.items)
        return [
            Row(
                report,
                self.root,
                status(report.level, report.measured_at, self.now),
                is_old(report.measured_at, self.now),
                can.facts if (can := cans.get(report.can_id)) else None,
                trend=ranked.trends.get(report.can_id, ()),
            )
            for report in ranked.items
        ]


def csv_of(listing: FleetListing) -> FileResponse:
    """
    Answer with all rows of a query as CSV: a whole file, or no file.

    It is made before the first byte is sent. granian 2.8.7 ends an answer in order when its iterator raises, so a
    part of the fleet would look like all of it; made first, a failure in any row is a 503, and Content-Length shows
    where a connection broke off. Raises StoreUnavailable, and the database's errors.
    """
    # Django closes it with the response.
    file = SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)  # noqa: SIM115
    try:
        text = io.TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", newline="")
        writer = csv.writer(text)
        writer.writerow(COLUMNS)
        writer.writerows(map(_cells, listing.all()))
        text.flush()
        text.detach()
        file.seek(0)
    except BaseException:
        file.close()
        raise
    answer = FileResponse(file, as_attachment=True, filename="fleet.csv", content_type="text/csv; charset=utf-8")
    answer.block_size = 64 * 1024
    return answer


def _cells(row: Row) -> list[str]:
    report, facts = row.report, row.facts
    cells = (
        report.can_id,
        facts.name if facts else "",
        facts.address if facts else "",
        row.stream,
        report.level,
        row.status,
        instant(report.measured_at) or "",
        instant(report.received_at) or "",
        (facts and facts.latitude) or "",
        (facts and facts.longitude) or "",
    )
    return [harmless(cell) for cell in cells]
