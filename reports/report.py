"""What a report is: its fields, their limits, what a percent is, and how instants and numbers are written."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

import orjson

MAX_REPORTS = 500
MAX_REPORT_BYTES = 16 * 1024
MAX_NESTING = 8
MAX_CAN_ID = 128
#: Matches the id of a can, once it is trimmed. Browsers lead /reports/.. elsewhere, and a / ends a part of an address.
CAN_ID = re.compile(rf"(?!\.\.?\Z)[^/\x00-\x1f\x7f-\x9f\u2028\u2029]{{1,{MAX_CAN_ID}}}\Z")
CAN_ID_RULE = f"must have 1 to {MAX_CAN_ID} characters, not be . or .., and hold no / or control character"
MAX_LEVEL = 32
MAX_STREAM = 64
#: How far a device's clock may run ahead of the queue's.
MAX_AHEAD = timedelta(minutes=5)
#: In a summary of invalid reports: fields named, and characters of each name.
_SUMMED_FIELDS, _SUMMED_NAME = 4, 32
#: An earlier time is of a clock that was never set; and few programs can show the year 1 in every zone.
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Numbers below this are seconds since then, others milliseconds: 1e11 s is the year 5138, 1e11 ms is 1973.
EPOCH_MS_FROM = Decimal("1e11")
#: Python makes no integer of more than 4,300 digits.
_decoder = json.JSONDecoder(parse_int=float)
#: A level beyond it, which only another service can have written, is none: the whole number that the eight characters
#: 1E999999 are takes seconds of CPU, and no page can show it.
_TOO_FAR = Decimal(10) ** 6


@dataclass(frozen=True, slots=True)
class Report:
    """
    How full one can was at one instant.

    level: percent full, 0-100, the digits as sent. measured_at, received_at: aware UTC instants; None only
    where another service wrote to the table without them. attributes: a JSON object's text, its values as sent.
    location: latitude and longitude in degrees. outlook: of a can's newest report, which status the can has from when
    on, as its row says it (reports.insight.status); "" where it says nothing. No part of what was reported.
    """

    can_id: str
    level: str
    measured_at: datetime | None
    received_at: datetime | None
    attributes: str = "{}"
    stream: str | None = None
    location: tuple[Decimal, Decimal] | None = None
    outlook: str = field(default="", compare=False)


class InvalidReport(ValueError):
    """
    A report that can never be stored: which field broke which rule.

    text: exactly what was sent, of this report or, where index is None, of the whole message. summary: where it stands
    for many reports of an array, how many those are and which fields broke rules; "" otherwise. can_id: the can that it
    names, "" where it names none by the rules.
    """

    def __init__(self, field: str, rule: str, *, text: str = "", index: int | None = None, summary: str = "") -> None:
        super().__init__(f"{field}: {rule}" + (f" ({summary})" if summary else ""))
        self.field = field
        self.rule = rule
        self.text = text
        self.index = index
        self.summary = summary
        self.can_id = ""

    @classmethod
    def of_array(cls, invalid: Sequence[InvalidReport], *, reports: int, text: str) -> InvalidReport:
        """
        Return what stands for many invalid reports of an array: the first one's field and rule, and how many there are.

        reports: how many the array has, valid ones included; text: the whole array.
        """
        first = invalid[0]
        counts = Counter(each.field[:_SUMMED_NAME] for each in invalid).most_common()
        fields = [f"{field} {count}" for field, count in counts[:_SUMMED_FIELDS]]
        if others := sum(count for _, count in counts[_SUMMED_FIELDS:]):
            fields.append(f"other fields {others}")
        summary = f"{len(invalid)} of {reports} reports, the first at index {first.index}: {', '.join(fields)}"
        return cls(first.field, first.rule, text=text, summary=summary)


def attribute_values(attributes: str) -> dict[str, Any]:
    """
    Return the parsed values of a report's attributes by name; none where another service wrote no JSON object.

    A number that is too large for a float is infinite.
    """
    found: Any
    try:
        found = orjson.loads(attributes)
    except ValueError:
        # JSON's grammar has more than orjson takes, as 1e999.
        try:
            found = _decoder.decode(attributes)
        except (ValueError, RecursionError):
            return {}
    return found if isinstance(found, dict) else {}


def iso(instant: datetime) -> str:
    """Return an instant as API, queue and tables write it: ISO 8601, UTC, microseconds only if not 0, and Z."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


@lru_cache(maxsize=1024)
def percent(level: str) -> Decimal | None:
    """Return a level as a number; None where another service wrote one that is not a number, or a million and more."""
    try:
        number = Decimal(level)
    except InvalidOperation:
        return None
    return number if number.is_finite() and number.copy_abs() < _TOO_FAR else None


def json_number(value: Decimal | None) -> int | float | None:
    """Return a number as JSON writes it: an integer where it is whole; None for None."""
    if value is None:
        return None
    return int(value) if value == value.to_integral_value() else float(value)
