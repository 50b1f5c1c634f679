"""The store beside a model of it: whatever is put in whatever order, both say the same."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from reports import store
from reports.formats.native import dump
from reports.report import Report
from tests.support.kind import KIND
from tests.support.ledger import Ledger, Said

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
runs = itertools.count()

#: Few cans, few instants and few levels: so that reports meet. Some instants are of days long over.
cans = st.sampled_from(["a", "b", "č"])
minutes = st.sampled_from([-100_000, -3000, -2, -1, 0, 0.5, 1, 2])
levels = st.sampled_from(["0", "1", "1.0", "100", "33.3333333333333333"])
rests = st.sampled_from(["{}", '{"n":1}', '{"n":"1"}', '{"n":[1,null],"stream":"glass"}'])
batches = st.lists(st.tuples(cans, minutes, levels, rests), max_size=60)


class StoreAndModel(RuleBasedStateMachine):
    """Each example has cans of its own in tables that all share."""

    @initialize()
    def begin(self) -> None:
        self.run = f"{next(runs)}-"
        self.ledger = Ledger()

    def reports(self, said: Iterable[tuple[str, float, str, str]]) -> list[Report]:
        return [
            Report(self.run + can, level, NOW + timedelta(minutes=minute), received(minute, level), rest)
            for can, minute, level, rest in said
        ]

    def put(self, reports: list[Report]) -> None:
        known = set(self.ledger.reports)
        for report in reports:
            self.ledger.sent(dump(report))
        outcome = store.put_reports(reports, now=NOW)
        assert outcome.stored + outcome.repeated == len(reports)
        fresh = set(self.ledger.reports) - known
        # Each new report is stored; one seen before may be told from an older one, or not.
        assert outcome.stored - outcome.older <= len({report.can for report in fresh})
        assert outcome.stored >= len(fresh)

    @rule(said=batches)
    def put_a_batch(self, said: list[tuple[str, float, str, str]]) -> None:
        self.put(self.reports(said))

    @rule(said=st.lists(st.tuples(cans, minutes, levels, rests), min_size=1, max_size=4))
    def put_the_same_twice(self, said: list[tuple[str, float, str, str]]) -> None:
        self.put(self.reports(said))
        before = [store.latest(self.run + can) for can in ("a", "b", "č")]
        assert newly_newest(store.put_reports(self.reports(said), now=NOW)) == 0
        assert [store.latest(self.run + can) for can in ("a", "b", "č")] == before

    @rule(can=cans, since=minutes, until=minutes, newest_first=st.booleans(), size=st.integers(1, 7))
    def read_the_history(self, can: str, since: float, until: float, newest_first: bool, size: int) -> None:
        if since >= until:
            return
        first, last = NOW + timedelta(minutes=since), NOW + timedelta(minutes=until)
        found: list[Said] = []
        after = None
        while True:
            page = store.history(
                self.run + can, since=first, until=last, newest_first=newest_first, after=after, size=size, now=NOW
            )
            found += [self.said(each) for each in page.items]
            after = page.next
            if after is None:
                break
        expected = [each for each in self.kept(can) if micros(first) <= each.micros < micros(last)]
        assert sorted(found) == sorted(expected)
        instants = [each.micros for each in found]
        assert instants == sorted(instants, reverse=newest_first)

    @invariant()
    def every_can_shows_its_newest(self) -> None:
        newest = self.ledger.newest()
        for can in ("a", "b", "č"):
            report = store.latest(self.run + can)
            if report is None:
                assert self.run + can not in newest
                continue
            said = self.said(report)
            assert (said.micros, said.level) in newest[self.run + can]
            # Of reports of one instant, the one that the history has last.
            (last,) = store.history(self.run + can, size=1, now=datetime(2000, 1, 1, tzinfo=UTC)).items
            assert self.said(last) == said

    def kept(self, can: str) -> list[Said]:
        """What the history may still show of a can: 400 days from receipt on."""
        return [
            said
            for said in self.ledger.reports
            if said.can == self.run + can and received(minute_of(said), said.level) + timedelta(days=400) > NOW
        ]

    def said(self, report: Report) -> Said:
        ledger = Ledger()
        ledger.sent(dump(report))
        (said,) = ledger.reports
        return said


def newly_newest(outcome: store.Outcome) -> int:
    return outcome.stored - outcome.older


def received(minute: float, level: str) -> datetime:
    """When the queue took a report; those of level 100 came so long ago that they have expired."""
    if level == "100":
        return NOW - timedelta(days=400)
    return NOW + timedelta(minutes=max(minute, 0))


def micros(instant: datetime) -> int:
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def minute_of(said: Said) -> float:
    return (said.micros - micros(NOW)) / 60_000_000


def test_the_store_says_what_its_model_says(suffix: str) -> None:
    run_state_machine_as_test(
        StoreAndModel,
        settings=hypothesis_settings(
            # The Java servers answer many times slower.
            max_examples=6 if KIND == "java" else 25,
            stateful_step_count=12,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            # On a real store to shrink what failed takes five minutes: add Phase.shrink by hand where it helps.
            phases=[Phase.explicit, Phase.reuse, Phase.generate],
        ),
    )
