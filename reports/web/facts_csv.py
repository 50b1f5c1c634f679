"""Facts of the fleet from a CSV file: read, compared with what is known, and only then written."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.core.exceptions import ValidationError
from django.db import models, transaction

from reports.csv_rows import Rows, WrongLines
from reports.entered_models import StreamLimits
from reports.kept_changes import Pair
from reports.models import HALF_A_PLACE, Can, index_words, lacking_coordinate
from reports.pending_entries import note_change
from reports.register_kinds import CAN, RETIRED
from reports.report import CAN_ID_RULE
from reports.web.csv_files import as_it_was

COLUMNS = ("can_id", "name", "address", "stream", "latitude", "longitude", "retired")
#: Columns of the export that no import changes: what devices sent, and what follows from it.
EXPORTED = ("level", "status", "measured_at", "received_at", "sent_stream", "suspect")
#: Other names of columns.
ALIASES = {"lat": "latitude", "lon": "longitude", "lng": "longitude"}


@dataclass(frozen=True, slots=True)
class Change:
    """One can that an import would make or alter: per column the text before and after."""

    can_id: str
    is_new: bool
    columns: Mapping[str, tuple[str, str]]


@dataclass(slots=True)
class Plan:
    """What an import would do; nothing is done while there are errors."""

    changes: list[Change] = dataclasses.field(default_factory=list)
    same: int = 0
    errors: list[str] = dataclasses.field(default_factory=list)


def plan(text: str) -> Plan:
    """
    Compare a CSV file with what is known.

    Columns: can_id, and any of name, address, stream, latitude, longitude, retired (yes or no); of the
    coordinates both or neither. An empty cell clears the fact; a column that is not there leaves it alone. lat and lon
    are names too, cells may be separated by `;`, and an export of the fleet may come back: what devices sent in it
    changes nothing, nor does a stream that is the one that the can sends itself, where none is entered. Writes nothing.
    """
    try:
        rows = Rows(text, ALIASES)
    except WrongLines as error:
        return Plan(errors=error.errors)
    if said := _wrong_columns(rows.columns):
        return Plan(errors=[said])
    sent: dict[str, dict[str, str]] = {}
    exported: dict[str, dict[str, str]] = {}

    def take(cells: dict[str, str]) -> list[str]:
        values = {name: as_it_was(cell) for name, cell in cells.items()}
        told = {name: values.pop(name) for name in EXPORTED if name in values}
        can_id = values.pop("can_id")
        if can_id in sent:
            return [f"can {can_id} stands in the file twice."]
        sent[can_id], exported[can_id] = values, told
        return _errors(can_id, values)

    result = Plan(errors=rows.errors(take))
    if result.errors:
        # Nothing is done; and a number of a million digits cannot even be compared.
        return result
    known = Can.objects.in_bulk(list(sent))
    for can_id, values in sent.items():
        change = _change(can_id, values, known.get(can_id), exported[can_id])
        # A can that has reported is listed anyhow: without facts there is nothing to be kept of it.
        if change.columns or (change.is_new and not exported[can_id].get("measured_at")):
            result.changes.append(change)
        else:
            result.same += 1
    return result


def apply(changes: Sequence[Change], now: datetime) -> list[Pair]:
    """
    Write the changes of a plan, all or none, and return each can before and after.

    What they retire is out of service from `now` on.
    """
    with transaction.atomic():
        known = Can.objects.in_bulk([change.can_id for change in changes])
        pairs: list[Pair] = []
        cans = []
        for change in changes:
            before = known.get(change.can_id)
            can = copy(before) if before else Can(can_id=change.can_id)
            for name, (_, after) in change.columns.items():
                if name == "retired":
                    can.retired_at = (can.retired_at or now) if after == "yes" else None
                else:
                    setattr(can, name, _value(name, after))
            cans.append(can)
            pairs.append((before, can))
        facts = [name for name in COLUMNS if name not in ("can_id", "retired")]
        Can.objects.bulk_create(
            cans, batch_size=500, update_conflicts=True, unique_fields=["can_id"], update_fields=[*facts, "retired_at"]
        )
        index_words(cans)
        moved = [change.can_id for change in changes if "stream" in change.columns]
        if moved and StreamLimits.objects.exists():
            note_change(CAN, moved)
        if retired := [change.can_id for change in changes if "retired" in change.columns]:
            note_change(RETIRED, retired)
    return pairs


def _wrong_columns(columns: Sequence[str]) -> str | None:
    if "can_id" not in columns:
        return f"The first line must name the columns, among them can_id: {', '.join(COLUMNS)}."
    if unknown := [name for name in columns if name not in (*COLUMNS, *EXPORTED)]:
        return f"Unknown columns: {', '.join(unknown)}. Known: {', '.join(COLUMNS)}."
    if ("latitude" in columns) != ("longitude" in columns):
        return "The first line must name both latitude and longitude, or neither."
    return None


def _errors(can_id: str, values: Mapping[str, str]) -> list[str]:
    can = Can(can_id=can_id, **{name: _value(name, text) for name, text in values.items() if name != "retired"})
    if values.get("retired", "").casefold() not in ("yes", "no", ""):
        return ["retired: write yes or no."]
    if lacking_coordinate(values.get("latitude"), values.get("longitude")):
        return [HALF_A_PLACE]
    try:
        can.clean_fields()
    except ValidationError as error:
        if "can_id" in error.message_dict:
            return [f"can_id: {CAN_ID_RULE}."]
        return [f"{name}: {' '.join(said)}" for name, said in error.message_dict.items()]
    return []


def _change(can_id: str, values: Mapping[str, str], known: Can | None, exported: Mapping[str, str]) -> Change:
    """Return what a line would change; exported: its cells that an export of the fleet has beside the facts."""
    columns = {}
    for name, after in values.items():
        if name == "retired":
            is_retired, retires = bool(known and known.retired_at), after.casefold() == "yes"
            if retires != is_retired:
                columns[name] = ("yes", "no") if is_retired else ("no", "yes")
            continue
        before = _text(getattr(known, name)) if known else ""
        if name == "stream" and not before and after == exported.get("sent_stream"):
            continue
        if _text(_cleaned(name, after)) != before:
            columns[name] = (before, after)
    return Change(can_id, known is None, columns)


def _value(name: str, text: str) -> str | None:
    """Return a cell as the field takes it: an empty coordinate is none, a finer one than 0.1 m is rounded."""
    if name not in ("latitude", "longitude"):
        return text
    try:
        return str(round(Decimal(text), 6)) if text else None
    except ArithmeticError:
        return text


def _cleaned(name: str, text: str) -> object:
    value = _value(name, text)
    try:
        field: models.Field[object, object] = Can._meta.get_field(name)  # type: ignore[assignment]
        return field.to_python(value)
    except ValidationError:
        return value


def _text(value: object) -> str:
    return "" if value is None else format(value.normalize(), "f") if hasattr(value, "normalize") else str(value)
