"""The rows of a file become reports, one by one, or an error that names row and column."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.report import Report
from simulator import replay
from tests.simulator.scene import NOW


def read(text: str) -> list[Report]:
    return list(replay.reports(io.StringIO(text, newline=""), lambda: NOW))


def test_a_row_is_a_report_with_the_files_digits() -> None:
    (report,) = read(
        "can_id,stream,measured_at,level,lat,lon,battery,note,serial,empty\r\n"
        '007,glass,2023-01-01T00:27:04Z,70.69237046207665,6.68000,-1.62,3.70,"a, ""b""\nč",0012,\r\n'
    )

    assert (report.can_id, report.level, report.stream) == ("007", "70.69237046207665", "glass")
    assert report.measured_at == datetime(2023, 1, 1, 0, 27, 4, tzinfo=UTC)
    assert report.location == (Decimal("6.68000"), Decimal("-1.62"))
    assert '"battery":3.70' in report.attributes
    attributes = json.loads(report.attributes)
    assert attributes["note"] == 'a, "b"\nč'
    assert attributes["serial"] == "0012"
    assert "empty" not in attributes and "lat" not in attributes


def test_a_row_without_a_time_was_measured_now() -> None:
    assert [report.measured_at for report in read("can_id,level\n1,2\n\n3,4\n")] == [NOW, NOW]


def test_an_epoch_is_a_time() -> None:
    (report,) = read("level,can_id,measured_at\n5,a,1672532824\n")

    assert report.measured_at == datetime(2023, 1, 1, 0, 27, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "row 1: the header needs can_id and level, separated by commas; it has: nothing."),
        ("can_id;level\n1;2\n", "row 1: the header needs can_id and level, .* it has: can_id;level."),
        ("can_id,level,level\n1,2,3\n", "row 1, column 2: each column needs a name of its own."),
        ("can_id,level,\n1,2,3\n", "row 1, column 3: each column needs a name of its own."),
        ("can_id,level\n1,2\n1,101\n", "row 3, column level: must be from 0 to 100 percent."),
        ("can_id,level\n1,2\n,2\n", "row 3, column can_id: is required."),
        ("can_id,level\n1,\n", "row 2, column level: is required."),
        ("can_id,level\n1,NaN\n", "row 2, column level: must be a number in JSON's grammar."),
        ("can_id,level,measured_at\n1,2,2023-01-01T00:00\n", "row 2, column measured_at: must name its zone"),
        (
            "can_id,level,measured_at\n1,2,2030-01-01T00:00Z\n",
            "row 2, column measured_at: must be at most 5 min",
        ),
        ("can_id,level\n\n1,2,3\n", "row 3: has 3 columns where the header has 2."),
        ('can_id,level\n1,"2', "row 2: cannot be read"),
    ],
)
def test_an_error_names_row_and_column(text: str, says: str) -> None:
    with pytest.raises(replay.ReplayError, match=says):
        read(text)


def test_rows_before_a_bad_one_are_reports() -> None:
    rows = replay.reports(io.StringIO("can_id,level\n1,2\n3,x\n"), lambda: NOW)

    assert next(rows).can_id == "1"
    with pytest.raises(replay.ReplayError, match="row 3, column level"):
        next(rows)


def test_a_file_without_end_is_read_as_it_comes() -> None:
    class Endless(io.TextIOBase):
        def __iter__(self) -> Iterator[str]:  # type: ignore[override]
            yield "can_id,level\n"
            while True:
                yield "1,50\n"

    rows = replay.reports(Endless(), lambda: NOW)  # type: ignore[arg-type]

    assert [next(rows).level for _ in range(1000)] == ["50"] * 1000


def test_plain_and_compressed_files_read_alike(tmp_path: Path) -> None:
    text = "\ufeffcan_id,level,note\n1,2,ž\n"
    (tmp_path / "rows.csv").write_text(text, encoding="utf-8")
    with gzip.open(tmp_path / "rows.csv.gz", "wt", encoding="utf-8") as file:
        file.write(text)

    for name in ("rows.csv", "rows.csv.gz"):
        with replay.opened(str(tmp_path / name)) as file:
            (report,) = replay.reports(file, lambda: NOW)
        assert json.loads(report.attributes) == {"note": "ž"}


@pytest.mark.parametrize("text", [b"no gzip at all", gzip.compress(b"can_id,level\n" + b"1,2\n" * 99, mtime=0)[:-9]])
def test_a_broken_archive_is_an_error_of_a_row(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "rows.csv.gz").write_bytes(text)

    with (
        replay.opened(str(tmp_path / "rows.csv.gz")) as file,
        pytest.raises(replay.ReplayError, match=r"row \d+: cannot be read"),
    ):
        list(replay.reports(file, lambda: NOW))


def test_a_missing_file_is_an_error() -> None:
    with pytest.raises(replay.ReplayError, match="cannot be read"):
        replay.opened("/nowhere/rows.csv")


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)


@given(st.lists(cells, min_size=1, max_size=5))
def test_any_cell_arrives_as_it_stands(values: list[str]) -> None:
    file = io.StringIO(newline="")
    csv.writer(file).writerows([["can_id", "level", "note"], *(["1", "2", f"x{value}x"] for value in values)])

    notes = [json.loads(report.attributes)["note"] for report in read(file.getvalue())]

    assert notes == [f"x{value}x" for value in values]
