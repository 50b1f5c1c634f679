"""The fleet over time: points of charts, hours made from the history, and the maps of a day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from reports.insight.fleet_counts import Count, Walked
from reports.insight.fleet_map import Place
from reports.insight.over_time import DAY, HOUR, FleetHour, points
from reports.insight.past_hours import PastCan, PastHours
from reports.insight.replay import HOURS, STATUSES, Frame, replay
from reports.insight.state import rules_for
from reports.report import Report
from tests.support.cans import a_report

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def an_hour(back: int, **told: object) -> FleetHour:
    begins_at = NOON - HOUR * back
    told = {"by_status": {"FULL": 2, "SILENT": 1, "OK": 5}, "reports": 10, "emptied": 1, **told}
    return FleetHour(begins_at, begins_at + HOUR, **told)  # type: ignore[arg-type]


def test_an_hour_survives_being_packed() -> None:
    hour = an_hour(1, by_stream={"paper": (5, 2)}, exact=False, from_history=True)

    assert FleetHour.unpacked(hour.begins_at, hour.packed()) == hour


def test_an_hour_that_nobody_counted_is_a_gap_and_no_zero() -> None:
    uncounted = FleetHour(NOON - HOUR * 2, reports=7)

    found = points([an_hour(3), uncounted], since=NOON - HOUR * 4, until=NOON, step=HOUR)

    assert [(point.cans, point.full_percent, point.reports, point.is_missing) for point in found] == [
        (None, None, None, True),
        (8.0, 25.0, 10, False),
        (None, None, 7, False),
        (None, None, None, True),
    ]


def test_a_day_has_the_mean_of_its_hours_and_their_sums() -> None:
    hours = [an_hour(2, by_stream={"paper": (4, 1)}), an_hour(1, by_status={"FULL": 4, "OK": 4}, by_stream={})]

    before, today = points(hours, since=NOON - DAY, until=NOON, step=DAY)

    assert before.is_missing
    assert (today.expected, today.hours, today.full, today.silent, today.overflow_h) == (12, 2, 3.0, 0.5, 6)
    assert (today.reports, today.emptied, today.by_stream) == (20, 2, {"paper": 25.0})


def test_hours_made_from_the_history_are_those_that_were_counted_then() -> None:
    since = NOON - HOUR * 6
    past = PastHours(since, 6, mapped=2)
    place = (50.0, 14.0)
    levels = {
        "a": [90 if turn < 20 else 5 if turn < 24 else 85 for turn in range(26)],
        "b": [40] * 26,
        "gone": [95] * 26,
    }
    cans: dict[str, list[Report]] = {
        can_id: [a_report(can_id, str(level), since + timedelta(minutes=20 * (turn - 13)))
                 for turn, level in enumerate(found)]
        for can_id, found in levels.items()
    }  # fmt: skip
    out = since + timedelta(minutes=20 * 13)
    for can_id, reports in cans.items():
        retired_at = out if can_id == "gone" else None
        past.add(PastCan(can_id, "paper", rules_for("paper"), place, retired_at), reports)

    found = past.hours(NOON)

    # The first ends nine readings after the first of all; of each can one came in each twenty minutes.
    assert [hour.reports for hour in found] == [9, 9, 9, 9, 0, 0]
    assert sum(hour.emptied or 0 for hour in found) == 1
    assert [hour.by_status["FULL"] for hour in found] == [2, 2, 1, 2, 1, 1]
    assert {hour.counted_at for hour in found} == {NOON}
    # Each as the fleet's own count would have found it at that instant.
    for hour in found:
        assert sum(hour.by_status.values()) == sum(cans for cans, _ in hour.by_stream.values())
    assert [len(frame.places) for frame in past.frames()] == [2, 2]


def test_a_day_on_the_map_names_each_can_once() -> None:
    since = NOON - HOUR * HOURS
    can, other = Place(50.0, 14.0, 90, "FULL", "1", full=1), Place(50.1, 14.1, 10, "OK", "2")
    first = Frame(since, 0.0, [can], (since, since))
    last = Frame(since + HOUR, 0.0, [other, can], (since, since))
    cells = Frame(since + 2 * HOUR, 0.01, [Place(50.0, 14.0, 90, "FULL", "", 7, 3)], (since, since))
    frames = {frame.begins_at: Frame.unpacked(frame.packed(10_000)) for frame in (first, last, cells)}

    told = replay(frames, since)

    assert told["cans"] == [(50.0, 14.0, "1"), (50.1, 14.1, "2")]
    full, fine = (str(STATUSES.index(name)) for name in ("FULL", "OK"))
    assert [frame["digits"] for frame in told["frames"][:3]] == [f"{full}-", f"{full}{fine}", ""]
    assert told["frames"][2]["cells"] == [(50.0, 14.0, 7, 3)]
    assert told["frames"][3]["cell"] is None
    assert len(told["frames"]) == HOURS


def test_the_count_knows_how_many_cans_of_a_stream_are_full() -> None:
    count = Count()
    for can_id, level, stream in (("1", "95", "paper"), ("2", "5", "paper"), ("3", "99", "glass")):
        count.add(a_report(can_id, level, NOON), None, stream, NOON)
    kept, _ = Count.unpacked(count.packed(100_000))

    overview = kept.overview(Walked(3, None, None, True))

    assert overview.full_by_stream == {"paper": 1, "glass": 1}
