"""Mountings of sensors from a CSV file: all lines, or none where one is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.dateparse import parse_datetime

from reports.csv_rows import Rows, WrongLines
from reports.mounting_changes import mount

COLUMNS = (
    "key", "channel", "model", "can_id", "since", "until", "empty_mm", "full_mm", "blind_mm", "is_blind_full",
    "holds_tilted",
)  # fmt: skip


def import_mountings(text: str, now: datetime) -> dict[str, int]:
    """
    Mount the sensor of each line, and return how many mountings are new, and how many were known.

    Columns: key and can_id, and any of COLUMNS; an empty `since` is now; empty distances mean that the sensor tells a
    percent itself. Cells may be separated by `;`, as spreadsheets write them. Raises WrongLines.
    """
    rows = Rows(text, {})
    columns = set(rows.columns)
    if not {"key", "can_id"} <= columns or columns - set(COLUMNS):
        raise WrongLines([f"The first line must name the columns key and can_id, and any of {', '.join(COLUMNS)}."])
    counts = {"new": 0, "same": 0}
    with transaction.atomic():
        if errors := rows.errors(lambda cells: _mount(cells, now, counts)):
            raise WrongLines(errors)
    return counts


def _mount(cells: Mapping[str, str], now: datetime, counts: dict[str, int]) -> list[str]:
    """Mount one line's sensor; return what is wrong with it."""
    try:
        values = {name: _value(name, text) for name, text in cells.items() if name not in ("key", "can_id", "channel")}
        since, model, channel = values.pop("since", None), values.pop("model", None), cells.get("channel", "")
        _, is_new = mount(cells["key"], cells["can_id"], since, now, channel=channel, model=model, **values)
    except ValidationError as error:
        return wrong(error)
    counts["new" if is_new else "same"] += 1
    return []


def _value(name: str, text: str) -> Any:
    """Return a cell as the model takes it. Raises ValidationError."""
    if name in ("since", "until"):
        at = _instant(text) if text else None
        if text and at is None:
            raise ValidationError({name: "must be ISO 8601 with a zone, as 2026-11-24T09:30:00Z."})
        return at
    if name in ("is_blind_full", "holds_tilted"):
        if text.casefold() not in ("yes", "no", ""):
            raise ValidationError({name: "write yes or no."})
        return text.casefold() == "yes" if text else name == "holds_tilted"
    if name.endswith("_mm"):
        if text and not (text.isascii() and text.isdigit() and len(text) <= 6):
            raise ValidationError({name: "must be whole millimetres, at most 100000."})
        return int(text) if text else None
    return text


def _instant(text: str) -> datetime | None:
    try:
        at = parse_datetime(text)
    except ValueError:
        return None
    return at if at and at.tzinfo else None


def wrong(error: ValidationError) -> list[str]:
    """Return what breaks rules, field by field."""
    if hasattr(error, "error_dict"):
        return [f"{name}: {' '.join(said)}" for name, said in error.message_dict.items()]
    return list(error.messages)
