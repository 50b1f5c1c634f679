"""The fleet as it was asked for: a page of it, or all of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice

from reports import store
from reports.insight.entered import Spread
from reports.insight.fold import Row as StoredRow
from reports.insight.fold import trend
from reports.insight.standing import standing, status_alone
from reports.models import ListedCan, facts_of, limits_spread, stream_of
from reports.report import Report
from reports.web import cursors, never_reported
from reports.web.answers import NeverRow, Row
from reports.web.fleet_queries import FleetQuery
from reports.web.found_cans import Found, found_by_words
from reports.web.never_reported import NeverReported
from reports.web.sensor_values import with_low_battery

#: Requests, at most, by which it is counted how many ids begin with what is searched: 5,000 ids each.
COUNTED_BY = 16
#: The rows of a page, the positions of the pages after and before, and whether it stopped before it was full.
_Page = tuple[list[Row | NeverRow], str | None, str | None, bool]


@dataclass(slots=True)
class FleetListing:
    """
    A query of the fleet, and the facts of the cans that were looked at: a query a hundred of these, or a page.

    budget: how many cans a page looks at before it stops, where no index serves the filter. with_rows: whether
    reasons and the last day are wanted. found: the cans whose names and addresses hold what is searched.
    """

    query: FleetQuery
    root: str
    now: datetime
    budget: int = store.BUDGET
    with_rows: bool = False
    found: Found = field(init=False)
    _facts: dict[str, ListedCan] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.found = found_by_words(self.query.search)

    def about(self) -> int | None:
        """
        Return about how many cans a search finds: those out of service are counted too.

        None where it filters in other ways as well, and where too many ids begin so. Raises StoreUnavailable.
        """
        query = self.query
        if not query.search or query.has_level or query.is_judged:
            return None
        counts = list(islice(store.count(store.id_begins(query.search)), COUNTED_BY + 1))
        others = sum(not can_id.startswith(query.search) for can_id in self.found.can_ids)
        return sum(counts) + others if len(counts) <= COUNTED_BY else None

    def page(self) -> tuple[list[Row | NeverRow], str | None, str | None, bool]:
        """
        Return the rows, the cursors of the pages after and before, and whether it stopped before it was full.

        Cans that never reported follow all others, by id, whatever the order. Raises StoreUnavailable.
        """
        rows, after, before, stopped = self._page_after() if self.query.before is None else self._page_before()
        next_, previous = (
            cursors.seal(position, self.query.scope) if position else None for position in (after, before)
        )
        return rows, next_, previous, stopped

    def _page_after(self) -> _Page:
        query, rows, stopped = self.query, list[Row | NeverRow](), False
        next_ = first = None
        if query.has_reported and not query.is_at_end:
            ranked = self._ranked(query)
            rows, stopped = [*self._rows(ranked)], ranked.stopped
            next_ = f"{cursors.AFTER}{ranked.last}" if ranked.more and ranked.last else None
            first = f"{cursors.BEFORE}{ranked.first or query.after}"
        if query.has_never_reported and not next_:
            never = self._never(query.size - len(rows), after=query.after if query.is_at_end else None)
            rows, stopped = [*rows, *map(self._never_row, never.cans)], never.stopped
            next_ = f"{cursors.AFTER_NEVER}{never.last}" if never.more else None
            first = first or f"{cursors.BEFORE_NEVER}{never.first}"
        return rows, next_, first if query.after is not None else None, stopped

    def _page_before(self) -> _Page:
        query, rows, stopped = self.query, list[Row | NeverRow](), False
        previous = last = None
        if query.is_at_end:
            never = self._never(query.size, before=query.before)
            rows, stopped = [*map(self._never_row, never.cans)], never.stopped
            previous = f"{cursors.BEFORE_NEVER}{never.first}" if never.more else None
            last = f"{cursors.AFTER_NEVER}{never.last}"
            query = replace(query, before="", size=query.size - len(rows))
        if query.has_reported and not previous:
            # A full page asks for one can more, only to know whether there is any.
            ranked = self._ranked(replace(query, size=query.size or 1))
            if query.size:
                rows, stopped = [*self._rows(ranked), *rows], ranked.stopped
                previous = f"{cursors.BEFORE}{ranked.first}" if ranked.more and ranked.first else None
                last = last or f"{cursors.AFTER}{ranked.last or query.before}"
            elif ranked.items or ranked.more:
                previous = cursors.BEFORE
        return rows, last, previous, stopped

    def all(self) -> Iterator[Sequence[Row | NeverRow]]:
        """
        Yield every row of the query from its page on, some at a time, or none where none of some hundred cans matched.

        Where no order was asked for, and none finds the rows, they come in none: that reads a tenth of what an index
        would. Those that never reported come last. Raises StoreUnavailable, also in the middle.
        """
        if self.query.before is not None:
            yield self._page_before()[0]
            return
        if self.query.has_reported and not self.query.is_at_end:
            yield from self._all_reported()
        at, more = self.query.after if self.query.is_at_end else None, self.query.has_never_reported
        while more:
            never = self._never(cursors.MAX_SIZE, after=at)
            yield [*map(self._never_row, never.cans)]
            at, more = never.last, never.more

    def _all_reported(self) -> Iterator[Sequence[Row]]:
        if not self.query.needs_an_index:
            for stretch in store.walk():
                made = [self._made_of(stretch)]
                # While a slow reader takes what follows from them, they are not held.
                del stretch
                yield made.pop()
            return
        query = replace(self.query, size=cursors.MAX_SIZE)
        while True:
            ranked = self._ranked(query)
            made, more, last = [self._rows(ranked)], ranked.more, ranked.last
            self._facts = {}
            del ranked
            yield made.pop()
            if not more:
                return
            query = replace(query, after=last)

    def _made_of(self, stretch: store.Stretch) -> list[Row]:
        """Return the rows of those cans of a walk that are wanted."""
        reports = [can.report for can in stretch.cans]
        wanted = self._wanted(reports)
        # Else each of them would be asked after, one by one, at the end of the list.
        never_reported.note(self._facts.values())
        rows = [self._row(report) for report in reports if report.can_id in wanted]
        self._facts = {}
        return rows

    def _never(self, size: int, *, after: str | None = None, before: str | None = None) -> NeverReported:
        return never_reported.some(self.query, self.found, size, after=after, before=before)

    def _never_row(self, can: ListedCan) -> NeverRow:
        return NeverRow(can.can_id, self.root, can.facts)

    def _ranked(self, query: FleetQuery) -> store.Ranked:
        spread = limits_spread() if query.has_limits else Spread()
        bounds, is_whole = query.bounds(self.now, spread)
        self._facts = {}
        ranked = store.ranked(
            query.order, after=query.after, before=query.before, keep=self._wanted, selective=not is_whole,
            budget=self.budget, size=query.size, with_rows=self.with_rows, **bounds,
        )  # fmt: skip
        # The index by id has only those whose ids begin so; any other order has all cans, of which each is judged.
        return self._with_found(query, ranked) if query.order == "id" and self.found.can_ids else ranked

    def _with_found(self, query: FleetQuery, ranked: store.Ranked) -> store.Ranked:
        """Return a page by id to which the cans found by name or address are added, each in its place."""
        # From the end on, a position is empty.
        after, before = query.after, query.before or None
        if ranked.more:
            # Beyond where the page ends in the index, cans of the index may be missing.
            after, before = (ranked.first, before) if query.before is not None else (after, ranked.last)
        others = store.latest_rows(
            can_id
            for can_id in self.found.can_ids
            if not can_id.startswith(query.search)
            and (after is None or can_id > after)
            and (before is None or can_id < before)
        )
        wanted = [others[can_id] for can_id in self._wanted([row.report for row in others.values()])]
        items = sorted([*ranked.items, *(row.report for row in wanted)], key=lambda report: report.can_id)
        is_cut = len(items) > query.size
        shown = items[-query.size :] if query.before is not None else items[: query.size]
        first, last = (shown[0].can_id, shown[-1].can_id) if shown else (ranked.first, ranked.last)
        if ranked.more and not is_cut:
            # The index was searched beyond what is shown.
            first, last = (ranked.first, last) if query.before is not None else (first, ranked.last)
        return replace(
            ranked,
            items=shown,
            first=first,
            last=last,
            more=is_cut or ranked.more,
            stopped=ranked.stopped and len(shown) < query.size,
            rows={**ranked.rows, **{row.report.can_id: row for row in wanted}},
        )

    def _wanted(self, reports: Sequence[Report]) -> set[str]:
        """Return the ids of those that are in service and asked for."""
        facts = facts_of(report.can_id for report in reports)
        self._facts.update(facts)
        wanted = {report.can_id for report in reports if self._is_wanted(report, facts.get(report.can_id))}
        return with_low_battery(wanted) if self.query.battery else wanted

    def _is_wanted(self, report: Report, can: ListedCan | None) -> bool:
        if can and can.is_retired(report.measured_at):
            return False
        search = self.query.search
        if search and not report.can_id.startswith(search) and report.can_id not in self.found.can_ids:
            return False
        return self.query.matches(report, stream_of(report, can), self.now)

    def _rows(self, ranked: store.Ranked) -> list[Row]:
        return [self._row(report, ranked.rows.get(report.can_id)) for report in ranked.items]

    def _row(self, report: Report, stored: StoredRow | None = None) -> Row:
        return Row(
            report,
            self.root,
            standing(stored, self.now) if stored else status_alone(report, self.now),
            can.facts if (can := self._facts.get(report.can_id)) else None,
            trend=trend(stored) if stored else (),
        )
