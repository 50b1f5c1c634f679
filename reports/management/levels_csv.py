"""Past levels from a CSV file, and what a replay of them said, as CSV files."""

from __future__ import annotations

import csv
import gzip
import zlib
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from reports.insight.backtest import Said
from reports.insight.cycles import Reading
from reports.insight.forecast import Forecast
from reports.insight.state import reading_of

_COLUMNS = ("can_id", "stream", "measured_at", "level")


class InvalidFile(Exception):
    """A file that is no list of levels: which line broke which rule."""


@dataclass(slots=True)
class Past:
    """One can's past: its stream, and its readings in the order of the file."""

    stream: str
    readings: list[Reading] = field(default_factory=list)


def read_levels(path: Path) -> dict[str, Past]:
    """
    Return the readings of a CSV file, plain or .gz, by can: columns can_id, stream, measured_at (ISO 8601), level.

    Raises InvalidFile for what is no such file, and OSError for one that cannot be read.
    """
    cans: dict[str, Past] = {}
    try:
        with _opened(path) as file:
            rows = csv.DictReader(file)
            missing = [name for name in _COLUMNS if name not in (rows.fieldnames or ())]
            if missing:
                raise InvalidFile(f"{path}: the first line must name the columns {', '.join(_COLUMNS)}")
            for row in rows:
                past = cans.setdefault(row["can_id"], Past(row["stream"]))
                past.readings.append(_reading(row, f"{path}, line {rows.line_num}"))
    except (csv.Error, UnicodeDecodeError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InvalidFile(f"{path} must be CSV in UTF-8, plain or .gz: {error}") from error
    return cans


class Sayings:
    """Writes what a replay says: a line per forecast to one file, per emptying to another; either may be None."""

    def __init__(self, forecasts: Path | None, events: Path | None) -> None:
        self._files = ExitStack()
        self._forecasts = self._started(forecasts, ("can_id", "made_at", "full_at", "low", "high"))
        self._events = self._started(events, ("can_id", "at", "before", "after", "known_at"))

    def __enter__(self) -> Sayings:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._files.close()

    def write(self, can_id: str, said: Said) -> None:
        """Write what was said of a can at one reading; no forecast is a line with empty times."""
        if self._forecasts is not None:
            told = said.forecast
            times = (told.full_at, told.low, told.high) if isinstance(told, Forecast) else (None,) * 3
            self._forecasts.writerow((can_id, _iso(said.at), *(at and _iso(at) for at in times)))
        if self._events is not None and (event := said.confirmed) is not None:
            levels = (f"{event.before:g}", f"{event.after:g}")
            self._events.writerow((can_id, _iso(event.at), *levels, _iso(event.known_at)))

    def _started(self, path: Path | None, columns: tuple[str, ...]) -> Any:
        if path is None:
            return None
        writer = csv.writer(self._files.enter_context(path.open("w", newline="")))
        writer.writerow(columns)
        return writer


def _opened(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def _reading(row: dict[str, str], where: str) -> Reading:
    try:
        level = Decimal(row["level"])
    except (TypeError, InvalidOperation):
        raise InvalidFile(f"{where}: level: must be a number, not {row['level']!r}") from None
    if not level.is_finite():
        raise InvalidFile(f"{where}: level: must be a number, not {row['level']!r}")
    if not 0 <= level <= 100:
        raise InvalidFile(f"{where}: level: must be 0 to 100, not {row['level']}")
    try:
        measured_at = datetime.fromisoformat(row["measured_at"])
    except (TypeError, ValueError):
        raise InvalidFile(f"{where}: measured_at: must be ISO 8601, not {row['measured_at']!r}") from None
    return reading_of(measured_at if measured_at.tzinfo else measured_at.replace(tzinfo=UTC), level)


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
