"""Reports of a CSV file: a row is a report, its header names the fields. Of any size: it is read while it is sent."""

from __future__ import annotations

import csv
import gzip
import json
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import TextIO

from reports.formats import native
from reports.report import InvalidReport, Report
from trashsite.json_slices import NUMBER

NEEDED = ("can_id", "level")
#: These are text, whatever they look like; other cells that are numbers in JSON's grammar are sent as numbers, with
#: the digits of the file.
TEXT = frozenset({"can_id", "level", "measured_at", "stream"})


class ReplayError(ValueError):
    """The file cannot be replayed, or only up to a row; the text names row and column."""


def opened(name: str) -> AbstractContextManager[TextIO]:
    """Open the file, a .gz too, or standard input for "-". Raises ReplayError."""
    if name == "-":
        return nullcontext(sys.stdin)
    try:
        if name.endswith(".gz"):
            return gzip.open(name, "rt", encoding="utf-8-sig", newline="")
        return Path(name).open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise ReplayError(f"the file cannot be read ({error.strerror}); name a .csv or .csv.gz.") from error


def reports(file: TextIO, now: Callable[[], datetime]) -> Iterator[Report]:
    """
    Yield the report of each row, checked by the rules of the native format.

    Columns: can_id and level are needed, measured_at is now where it is missing or empty, all others become
    attributes, by their names; lat and lon become `location`. An empty cell is no attribute.

    Raises ReplayError at the first row that is not a report. The header is row 1.
    """
    rows = _rows(file)
    _, header = next(rows, (1, []))
    missing = [name for name in NEEDED if name not in header]
    if missing:
        needs, has = " and ".join(missing), ", ".join(header) or "nothing"
        raise ReplayError(f"row 1: the header needs {needs}, separated by commas; it has: {has}.")
    for at, name in enumerate(header, start=1):
        if not name or header.count(name) > 1:
            raise ReplayError(f"row 1, column {at}: each column needs a name of its own.")
    for line, row in rows:
        if len(row) != len(header):
            raise ReplayError(f"row {line}: has {len(row)} columns where the header has {len(header)}.")
        (report,) = native.parse(_text(header, row), now())
        if isinstance(report, InvalidReport):
            column = report.field if report.field in header else ", ".join(header)
            raise ReplayError(f"row {line}, column {column}: {report.rule}.")
        yield report


def _rows(file: TextIO) -> Iterator[tuple[int, list[str]]]:
    read = 0
    try:
        for row in csv.reader(file, strict=True):
            read += 1
            if row:
                yield read, [cell.strip() for cell in row]
    except (csv.Error, UnicodeDecodeError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ReplayError(f"row {read + 1}: cannot be read ({error}).") from error


def _text(header: Sequence[str], row: Sequence[str]) -> str:
    cells = {name: _value(name, cell) for name, cell in zip(header, row, strict=True) if cell}
    if "lat" in cells and "lon" in cells:
        cells["location"] = f'{{"lat":{cells.pop("lat")},"lon":{cells.pop("lon")}}}'
    return "{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in cells.items()) + "}"


def _value(name: str, cell: str) -> str:
    return cell if name not in TEXT and NUMBER.fullmatch(cell) else json.dumps(cell)
