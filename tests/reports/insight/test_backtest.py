"""`manage.py backtest`: a replay that never looks ahead, and its figures."""

from __future__ import annotations

import csv
import gzip
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from reports.insight.backtest import METHODS, Judged, figures
from tests.reports.insight.cans import HOUR, MONDAY, a_can

HEAD = "can_id,stream,measured_at,level\n"


def written(path: Path, days: int) -> Path:
    """Write two cans of paper and one of glass that have these many days."""
    lines = [HEAD]
    for can_id, stream, readings in (
        ("p1", "paper", a_can(days, seed=1)),
        ("p2", "paper", a_can(days, seed=2, per_hour=6)),
        ("g1", "glass", a_can(days, seed=3, per_hour=2, every_days=5)),
    ):
        for at, level in readings:
            lines.append(f"{can_id},{stream},{datetime.fromtimestamp(at, UTC).isoformat()},{level}\n")
    text = "".join(lines)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def backtest(path: Path, **options: object) -> list[list[str]]:
    out = StringIO()
    call_command("backtest", str(path), stdout=out, stderr=StringIO(), **options)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in out.getvalue().splitlines()]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_it_prints_its_own_method_beside_two_baselines_and_beats_them(tmp_path: Path) -> None:
    head, _, *lines = backtest(written(tmp_path / "levels.csv.gz", 150), threshold=40)

    assert [(line[0], line[1]) for line in lines] == [(s, m) for s in ("glass", "paper") for m in METHODS]
    error = {(line[0], line[1]): float(line[4].split()[0]) for line in lines}
    assert int(lines[-1][head.index("got full")]) > 100
    assert error["paper", "trashsite"] < 0.3
    assert error["paper", "trashsite"] < min(error["paper", "last-slope"], error["paper", "past-durations"])
    assert 0.6 < float(lines[3][head.index("interval covers")]) <= 1


def test_what_it_says_by_a_reading_is_the_same_without_those_that_follow(tmp_path: Path) -> None:
    said = {}
    for days in (60, 47):
        forecasts, events = tmp_path / f"f{days}.csv", tmp_path / f"e{days}.csv"
        backtest(written(tmp_path / f"{days}.csv", days), forecasts=forecasts, events=events)
        said[days] = rows(forecasts), rows(events)
    end = {can: max(row["made_at"] for row in said[47][0] if row["can_id"] == can) for can in ("p1", "p2", "g1")}

    for whole, part, known in zip(said[60], said[47], ("made_at", "known_at"), strict=True):
        assert [row for row in whole if row[known] <= end[row["can_id"]]] == part
        assert len(part) > 50


def test_its_files_hold_every_reading_and_every_confirmed_emptying(tmp_path: Path) -> None:
    forecasts, events = tmp_path / "f.csv", tmp_path / "e.csv"
    backtest(written(tmp_path / "levels.csv", 30), forecasts=forecasts, events=events)

    assert len(rows(forecasts)) == 3 * 30 * 12
    paper = [row for row in rows(events) if row["can_id"] == "p1"]
    assert 25 <= len(paper) <= 31
    assert all(row["at"] < row["known_at"] and float(row["before"]) > float(row["after"]) for row in paper)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("can,level\n", "the first line must name the columns can_id, stream, measured_at, level"),
        (HEAD + "1,paper,2026-01-01T00:00:00Z,ten\n", "line 2: level: must be a number, not 'ten'"),
        (HEAD + "1,paper,2026-01-01T00:00:00Z,101\n", "line 2: level: must be 0 to 100, not 101"),
        (HEAD + "1,paper,2026-01-01T00:00:00Z,NaN\n", "line 2: level: must be a number, not 'NaN'"),
        (HEAD + "1,paper,yesterday,10\n", "line 2: measured_at: must be ISO 8601, not 'yesterday'"),
        (HEAD + "1,paper\n", "line 2: level: must be a number, not None"),
    ],
)
def test_a_file_that_is_no_list_of_levels_is_refused_with_line_and_field(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)

    with pytest.raises(CommandError) as refused:
        backtest(path)
    assert words in str(refused.value)
    assert "Name a CSV file" in str(refused.value)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "damaged.csv.gz"
    packed = gzip.compress(HEAD.encode() * 9)
    path.write_bytes(packed[:10] + b"\xff" * 9 + packed[19:])

    with pytest.raises(CommandError, match=r"must be CSV in UTF-8, plain or \.gz"):
        backtest(path)


def test_a_missing_file_is_an_error_that_says_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"No such file.*Name a CSV file"):
        backtest(tmp_path / "none.csv")


def test_figures_by_hand() -> None:
    def judged(said_h: int | None, true_h: int | None, until_h: int | None = None) -> Judged:
        said = None if said_h is None else MONDAY + said_h * HOUR
        full_at = dict.fromkeys(METHODS, said)
        low, high = (None, None) if said is None else (said - HOUR, said + HOUR)
        truth, until = (None if h is None else MONDAY + h * HOUR for h in (true_h, until_h))
        return Judged("paper", MONDAY, full_at, low, high, truth, until)

    own = figures([judged(8, 10), judged(10, 10), judged(5, 10), judged(None, 10), judged(3, None, 4)], seed=1)[0]

    assert (own.full, own.emptied_first, own.answered, own.too_early) == (4, 1, 0.75, 1)
    assert (own.error, own.hours, own.covered, own.width) == (0.2, 2, 1 / 3, 0.2)
    assert figures([judged(5, None)], seed=1) == []
