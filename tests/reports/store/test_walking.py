"""All of the fleet, row by row and by its indexes, and the right to count it, on a real store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from reports import store
from reports.report import Report
from reports.store import Claim, walking

pytestmark = pytest.mark.usefixtures("shared_suffix")

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
CANS = 47


@pytest.fixture(scope="module")
def fleet(shared_suffix: str) -> dict[str, Report]:
    cans = {}
    for number in range(CANS):
        at = NOW - timedelta(hours=number)
        cans[str(number)] = Report(str(number), f"{number * 2}.5", at, NOW, '{"note": "long"}', "paper")
    store.put_reports(list(cans.values()), now=NOW)
    return cans


def test_each_can_is_met_once_wherever_the_walk_is_interrupted(
    fleet: dict[str, Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walking, "ROWS", 10)

    stretches = [next(store.walk())]
    while stretches[-1].position:
        stretches.append(next(store.walk(stretches[-1].position)))

    met = [can.report for stretch in stretches for can in stretch.cans]
    assert {report.can_id: (report.level, report.stream) for report in met} == {
        can_id: (report.level, "paper") for can_id, report in fleet.items()
    }
    assert len(met) == CANS
    assert all(len(stretch.cans) <= 10 for stretch in stretches)


def test_an_index_counts_those_that_its_range_holds(fleet: dict[str, Report], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walking, "KEYS", 3)
    met = [can for stretch in store.walk() for can in stretch.cans]
    ranges = [store.every_can(), store.from_level(80), store.silent_until(NOW - timedelta(hours=24))]

    counted = [list(store.count(keys)) for keys in ranges]

    assert [sum(each) for each in counted] == [sum(keys.holds(can) for can in met) for keys in ranges]
    assert sum(counted[0]) == CANS
    assert sum(counted[1]) == sum(float(report.level) >= 80 for report in fleet.values())
    # Right to half a day.
    assert CANS - 25 <= sum(counted[2]) <= CANS - 25 + 12
    assert all(each <= 3 for each in counted[0])


def test_a_claim_is_for_one_until_it_is_given_back_or_ten_seconds_have_passed() -> None:
    first, second, third = Claim("dinner"), Claim("dinner"), Claim("dinner")

    assert first.take(NOW)
    assert first.hold(lambda: NOW)
    assert not second.take(NOW + timedelta(seconds=9))
    # The first has died by now.
    assert second.take(NOW + timedelta(seconds=10, milliseconds=1))
    first._renew_at_s = 0
    assert not first.hold(lambda: NOW + timedelta(seconds=11))
    first.give_back()
    assert not third.take(NOW + timedelta(seconds=12))
    second.give_back()
    assert third.take(NOW + timedelta(seconds=12))
