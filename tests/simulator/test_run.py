"""A run sends each report once, in order and at its time, through outages, and goes on where it ended."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise, takewhile
from pathlib import Path

import pytest

from reports.formats import native
from reports.queue import QueueUnavailable
from reports.report import Report, iso
from simulator import replay
from simulator.bookmark import Bookmark
from simulator.fleet import Fleet, Place
from simulator.pace import CHUNK
from simulator.run import MOST_UNSTORED
from simulator.sending import ARRAY, of_measurement
from tests.simulator.scene import NOW, Scene, TurnedClock


def expected(since: datetime, until: datetime, cans: int = 20) -> list[str]:
    """The bodies of all that the fleet measures in this time."""
    measured = Fleet(1, cans).measurements(Place(since))
    return [of_measurement(each).body for each in takewhile(lambda each: each.measured_at <= until, measured)]


def test_by_default_a_week_is_sent_at_once_and_then_real_time(scene: Scene) -> None:
    scene.fleet()

    assert sorted(map(json.dumps, scene.reports)) == sorted(
        json.dumps(json.loads(body)) for body in expected(NOW - timedelta(days=7), NOW + timedelta(days=1))
    )
    assert "The present is reached" in scene.err.getvalue()


def test_each_cans_newest_report_goes_ahead_of_its_past(scene: Scene) -> None:
    scene.clock.stop_at = NOW
    scene.fleet()

    newest = [each.can.can_id for each in Fleet(1, 20).newest(NOW)]
    assert [report["can_id"] for report in scene.reports[:20]] == newest
    times = [report["measured_at"] for report in scene.reports[20:]]
    assert times == sorted(times)
    assert times[-1] < max(report["measured_at"] for report in scene.reports[:20])


def test_the_past_waits_while_much_is_on_its_way_and_the_present_does_not(scene: Scene) -> None:
    lengths: list[int] = []
    stored = 0

    def count_unstored() -> int:
        nonlocal stored
        stored = min(len(scene.bodies), stored + 5)
        lengths.append(len(scene.bodies) - stored)
        return lengths[-1]

    scene.run(count_unstored=count_unstored, cans=20).fleet(Fleet(1, 20))

    # Each can's newest, and then a chunk whenever there is room for one.
    assert max(lengths) <= MOST_UNSTORED + max(20, CHUNK // ARRAY)
    assert len(scene.reports) == len(expected(NOW - timedelta(days=7), NOW + timedelta(days=1)))


def test_without_a_worker_all_of_the_past_is_sent(scene: Scene) -> None:
    scene.run(count_unstored=lambda: len(scene.bodies), cans=20).fleet(Fleet(1, 20))

    assert len(scene.reports) == len(expected(NOW - timedelta(days=7), scene.clock.at))
    assert scene.err.getvalue().count("No worker seems to run") == 1


def test_every_report_passes_the_wire_with_stream_and_location(scene: Scene) -> None:
    scene.clock.stop_at = NOW
    scene.fleet(days=1)

    parsed = [report for body in scene.bodies for report in native.parse(body, NOW)]
    cans = {can.can_id: can for can in Fleet(1, 20).cans}
    assert len(parsed) > 100
    for report in parsed:
        assert isinstance(report, Report)
        assert (report.stream, report.location) == (cans[report.can_id].stream, cans[report.can_id].location)
        assert report.measured_at is not None and report.measured_at <= NOW


def test_only_what_is_old_travels_in_arrays(scene: Scene) -> None:
    scene.fleet(days=2)

    for body in scene.bodies:
        reports = json.loads(body)
        if isinstance(reports, list):
            assert 1 <= len(reports) <= ARRAY
            assert all(report["measured_at"] < iso(NOW - timedelta(hours=1)) for report in reports)
    assert sum(body.startswith("[") for body in scene.bodies) < 40


def test_the_same_start_seed_and_count_send_the_same_bytes(scene: Scene) -> None:
    asked = {"start": NOW - timedelta(days=40), "count": 300, "seed": 9, "cans": 33}
    scene.fleet(**asked)
    later = Scene(TurnedClock(NOW + timedelta(days=5)))
    later.fleet(**asked)

    assert scene.bodies == later.bodies
    assert len(scene.reports) == 300


@pytest.mark.parametrize("asked", [{}, {"rate": 3.0, "days": 1.0}, {"speedup": 5000.0}])
def test_a_run_goes_on_where_the_last_one_ended(tmp_path: Path, asked: dict[str, float]) -> None:
    bookmark = Bookmark.of(Fleet(1, 20), tmp_path)
    first = Scene(TurnedClock(NOW, stop_at=NOW + timedelta(seconds=20)))
    first.fleet(bookmark, **asked)
    second = Scene(TurnedClock(NOW + timedelta(hours=5), stop_at=NOW + timedelta(hours=6)))
    second.fleet(bookmark, **asked)

    times = [report["measured_at"] for report in second.reports]
    assert min(times) > max(report["measured_at"] for report in first.reports[20:])
    sent = [(report["can_id"], report["measured_at"]) for report in first.reports + second.reports]
    assert len(set(sent)) == len(sent)
    if not asked:
        assert len(sent) == len(expected(NOW - timedelta(days=7), NOW + timedelta(hours=6)))


def test_a_past_that_was_cut_short_is_completed(tmp_path: Path) -> None:
    bookmark = Bookmark.of(Fleet(1, 100), tmp_path)
    first, second = Scene(), Scene(TurnedClock(stop_at=NOW))

    def publish(bodies: Sequence[str]) -> None:
        if len(first.reports) > 2000:
            raise KeyboardInterrupt
        first.bodies += bodies

    outcome = first.run(bookmark, publish, cans=100).fleet(Fleet(1, 100))
    second.fleet(bookmark, cans=100)

    assert outcome.interrupted and outcome.published == len(first.reports)
    sent = {(report["can_id"], report["measured_at"]) for report in first.reports + second.reports}
    assert len(sent) == len(expected(NOW - timedelta(days=7), NOW, 100))


def test_a_long_rest_costs_no_more_than_the_days_asked_for(tmp_path: Path) -> None:
    bookmark = Bookmark.of(Fleet(1, 20), tmp_path)
    bookmark.write(Place(NOW - timedelta(days=300), 3))
    scene = Scene(TurnedClock(stop_at=NOW))
    scene.fleet(bookmark, days=2)

    assert min(report["measured_at"] for report in scene.reports) >= iso(NOW - timedelta(days=2))


def test_a_place_in_the_future_is_not_waited_for(tmp_path: Path) -> None:
    bookmark = Bookmark.of(Fleet(1, 20), tmp_path)
    bookmark.write(Place(NOW + timedelta(days=300), 3))
    scene = Scene(TurnedClock(stop_at=NOW))
    scene.fleet(bookmark, days=1)

    assert len(scene.reports) == len(expected(NOW - timedelta(days=1), NOW))


def test_a_bookmark_that_cannot_be_written_is_reported_once_and_sending_continues(scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    scene.fleet(Bookmark(tmp_path / "file" / "simulator.json", "any"))

    assert scene.err.getvalue().count("Cannot write the bookmark") == 1
    assert len(scene.reports) == len(expected(NOW - timedelta(days=7), NOW + timedelta(days=1)))


def test_at_a_rate_the_fleet_reports_evenly_and_now(scene: Scene) -> None:
    scene.clock.stop_at = NOW + timedelta(seconds=10)
    scene.fleet(rate=4.0)

    times = [datetime.fromisoformat(report["measured_at"]) for report in scene.reports]
    assert times[0] >= NOW
    assert {later - each for each, later in pairwise(times)} == {timedelta(seconds=0.25)}
    assert len(times) == pytest.approx(40, abs=1)


def test_at_a_speedup_nothing_is_sent_before_its_simulated_time(scene: Scene) -> None:
    scene.clock.stop_at = NOW + timedelta(seconds=60)
    scene.fleet(speedup=600.0, days=1.0)

    # A minute at 600 is ten hours of the day.
    assert [json.dumps(report) for report in scene.reports] == [
        json.dumps(json.loads(body))
        for body in expected(NOW - timedelta(days=1), NOW - timedelta(days=1) + timedelta(seconds=59.9 * 600))
    ]


def test_the_labs_format_is_the_labs_bytes(scene: Scene) -> None:
    scene.clock.stop_at = NOW + timedelta(seconds=5.5)
    scene.fleet(format="lab", cans=500)

    assert len(scene.bodies) == 6
    for body in scene.bodies:
        report = json.loads(body)
        assert body == f'{{"can_id":"{report["can_id"]}", "level":"{report["level"]}"}}'
    assert scene.out.getvalue() == "".join(f"publishing: {body}\n" for body in scene.bodies)


def test_the_labs_devices_know_no_arrays(scene: Scene) -> None:
    scene.fleet(format="lab", start=NOW - timedelta(days=9), count=70)

    assert len(scene.bodies) == 70
    assert all(body.startswith('{"can_id":') for body in scene.bodies)


def test_a_queue_that_is_away_is_waited_for_and_loses_nothing(scene: Scene) -> None:
    calls = 0

    def publish(bodies: Sequence[str]) -> None:
        nonlocal calls
        calls += 1
        if calls in (2, 3, 4, 9):
            # It may have taken some before it went away.
            scene.publish(bodies[:3])
            raise QueueUnavailable("connection refused", bodies[3:])
        scene.publish(bodies)

    scene.clock.stop_at = NOW + timedelta(days=30)
    run = scene.run(None, publish, start=NOW - timedelta(days=3), count=2500, cans=100)
    outcome = run.fleet(Fleet(1, 100))

    assert outcome.published == len(scene.reports) == 2500
    sent = {(report["can_id"], report["measured_at"]) for report in scene.reports}
    assert len(sent) == 2500
    assert scene.err.getvalue().count("The queue does not answer (connection refused)") == 1
    assert scene.err.getvalue().count("The queue answers again, after 4 s.") == 1


def test_reports_due_while_the_queue_was_away_keep_their_times(scene: Scene) -> None:
    scene.clock.stop_at = NOW + timedelta(seconds=60)

    def publish(bodies: Sequence[str]) -> None:
        if scene.clock.at < NOW + timedelta(seconds=30):
            raise QueueUnavailable("gone")
        scene.publish(bodies)

    scene.run(None, publish, rate=2.0).fleet(Fleet(1, 20))

    times = [datetime.fromisoformat(report["measured_at"]) for report in scene.reports]
    assert times == [NOW + timedelta(seconds=number / 2) for number in range(len(times))]
    assert times[-1] > NOW + timedelta(seconds=58)


def test_a_long_past_is_shown_briefly_and_the_present_line_by_line(scene: Scene) -> None:
    scene.fleet(days=3)

    lines = scene.out.getvalue().splitlines()
    assert len(lines) == len(expected(NOW + timedelta(microseconds=1), NOW + timedelta(days=1)))
    assert all(line.startswith('publishing: {"can_id":"4') for line in lines)


def test_what_was_asked_for_by_number_is_shown_in_full(scene: Scene) -> None:
    scene.fleet(start=NOW - timedelta(days=3), count=40)

    assert len(scene.out.getvalue().splitlines()) == 40


def test_sigterm_ends_a_run_as_ctrl_c_does(scene: Scene) -> None:
    def publish(bodies: Sequence[str]) -> None:
        scene.publish(bodies)
        if len(scene.reports) >= 5:
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    outcome = scene.run(None, publish, rate=1.0).fleet(Fleet(1, 20))

    assert outcome.interrupted
    assert signal.getsignal(signal.SIGTERM) is before


def rows(tmp_path: Path, *lines: str) -> str:
    (tmp_path / "rows.csv").write_text("\n".join(["can_id,measured_at,level", *lines]) + "\n")
    return str(tmp_path / "rows.csv")


def test_a_file_is_replayed_in_its_order(scene: Scene, tmp_path: Path) -> None:
    name = rows(tmp_path, "1,2023-01-02T00:00:00Z,5", "2,2023-01-01T00:00:00Z,6.50", "1,,7")
    with replay.opened(name) as file:
        outcome = scene.run(replay=name).replay(file)

    assert scene.bodies == [
        '[{"can_id":"1","level":"5","measured_at":"2023-01-02T00:00:00Z"},'
        '{"can_id":"2","level":"6.50","measured_at":"2023-01-01T00:00:00Z"}]',
        f'{{"can_id":"1","level":"7","measured_at":"{iso(NOW)}"}}',
    ]
    assert (outcome.published, outcome.last_at, outcome.interrupted) == (3, NOW, False)


def test_a_bad_row_ends_a_replay_after_those_before_it(scene: Scene, tmp_path: Path) -> None:
    name = rows(tmp_path, "1,,5", "2,,6", "3,,-1", "4,,5")
    with replay.opened(name) as file, pytest.raises(replay.ReplayError, match="row 4, column level"):
        scene.run(replay=name).replay(file)

    assert [report["can_id"] for report in scene.reports] == ["1", "2"]


def test_a_replay_keeps_a_rate_or_the_files_own_time(tmp_path: Path) -> None:
    name = rows(tmp_path, *(f"{hour},2023-01-01T{hour:02}:00:00Z,5" for hour in range(10)))
    for asked, lasts_s in (({"rate": 2.0}, 4.5), ({"speedup": 360.0}, 90.0), ({}, 0.0)):
        scene = Scene()
        with replay.opened(name) as file:
            scene.run(replay=name, **asked).replay(file)
        assert (scene.clock.at - NOW).total_seconds() == pytest.approx(lasts_s, abs=0.2)
        assert len(scene.reports) == 10


def test_a_replay_ends_after_the_count(scene: Scene, tmp_path: Path) -> None:
    name = rows(tmp_path, "1,,5", "2,,6", "3,,broken")
    with replay.opened(name) as file:
        outcome = scene.run(replay=name, count=2).replay(file)

    assert outcome.published == 2
