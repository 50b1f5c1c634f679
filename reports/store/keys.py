"""The keys of rows: sort keys of the history, and the keys by which the indexes of the levels table order cans."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from typing import NamedTuple

from reports.report import EPOCH, Report, percent
from reports.store.dynamodb import LEVELS, Item
from trashsite.names import full_name

#: Partitions of each index of the levels table: a write to one never waits for more than an eighth of the fleet.
SHARDS = 8
#: Hash and range key of each index of the levels table; they hold keys alone.
INDEXES: dict[str, tuple[str, ...]] = {
    "by-level": ("index_part", "level_key"),
    "by-heard": ("index_part", "heard_key"),
    "by-id": ("index_part", "id"),
}

#: Levels below which a band has one key: most of a can's life is there, and each key that moves costs two write units.
BANDS = (0, 50, 70)
EXACT_FROM = 80
#: For so long a can's key in by-heard stays where it is.
HEARD_MINUTES = 12 * 60
_MINUTE = timedelta(minutes=1)
_FIRST = datetime.min.replace(tzinfo=UTC)


class Keyed(NamedTuple):
    """A report with its sort key, which costs a digest and is needed often."""

    report: Report
    key: str


def instant_key(instant: datetime) -> str:
    """Return an instant in fixed width, so that text order is time order: `2026-11-24T09:30:00.000000Z`."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds")[:26] + "Z"


def order_key(report: Report) -> str:
    """
    Return the sort key of a report: when it was measured, `#`, and a digest of what it says.

    Equal for a report sent twice, different for two reports of one instant, and ordered alike everywhere.
    received_at has no part in it. Keys that start with no digit are free for summaries.
    """
    assert report.measured_at is not None
    said = f"{encode_basestring_ascii(report.can_id)}{report.level}{_canonical(report.attributes)}"
    return f"{instant_key(report.measured_at)}#{hashlib.blake2b(said.encode(), digest_size=8).hexdigest()}"


def _canonical(attributes: str) -> str:
    """Return a JSON object's text without its accidents: white space and the order of members."""
    if attributes == "{}":
        return ""
    return _sorted.encode(_marked.decode(attributes))


def _digits(sent: str) -> str:
    """Mark a number's digits by NUL, which no string of a report holds: 1 and "1" are two reports."""
    return f"\0{sent}"


# Made once, which takes as long as they take for a report.
_marked = json.JSONDecoder(parse_float=_digits, parse_int=_digits)
_sorted = json.JSONEncoder(sort_keys=True)


def emptying_key(at: int) -> str:
    """Return the history sort key of an emptying at an instant in seconds since 1970."""
    return f"e#{instant_key(datetime.fromtimestamp(at, UTC))}"


def day_key(day: str) -> str:
    """Return the history sort key of a can's summary of one UTC day, as "2026-11-24"."""
    return f"d#{day}"


def row_place(can_id: str) -> tuple[str, str]:
    """Return by what a process remembers a can's row: the levels table of this deployment, and the can's id."""
    return full_name(LEVELS), can_id


def index_keys(can_id: str, level: str, measured_at: datetime | None) -> Item:
    """
    Return the attributes by which the indexes of the levels table order a can.

    level, measured_at: of its newest report; the key of what is no level from 0 to 100, or None, is left out.
    """
    keys: Item = {"index_part": {"S": shard_of(can_id)}}
    number = percent(level)
    if number is not None and 0 <= number <= 100:
        keys["level_key"] = {"S": f"{level_part(int(number))}#{can_id}"}
    if measured_at:
        keys["heard_key"] = {"S": f"{heard_part(can_id, measured_at)}#{can_id}"}
    return keys


# The parts before the `#` are coarse, so that an uneventful report moves no index row. The can's id behind it makes
# each key unique, so that one key is a position in all shards.


def level_part(level: int) -> str:
    """Return how a level key begins: the whole percent from 80 on, below that the band that it is in."""
    return f"{level if level >= EXACT_FROM else max(band for band in BANDS if band <= level):03d}"


def is_band(level: int) -> bool:
    """Say whether keys of a level and of the one below differ."""
    return level in BANDS or level >= EXACT_FROM


def heard_part(can_id: str, instant: datetime) -> str:
    """
    Return how a heard key begins: the minute in which the can's current twelve hours began.

    Each can's begin at a minute of its own, the same for ever, so that not all keys move at noon.
    """
    _, own = _spread(can_id)
    minute = (instant - EPOCH) // _MINUTE
    since = timedelta(minutes=(minute - own) % HEARD_MINUTES)
    # Nothing begins before the calendar does.
    return minute_part(instant - since if instant - _FIRST > since else _FIRST)


def minute_part(instant: datetime) -> str:
    """Return an instant's minute as a heard key begins with it."""
    return instant_key(instant)[:16]


def shard_of(can_id: str) -> str:
    """Return the index partition of a can, the same for ever."""
    return _spread(can_id)[0]


@lru_cache(maxsize=65_536)
def _spread(can_id: str) -> tuple[str, int]:
    """Return the index partition of a can, and the minute at which its twelve hours begin, both by digest."""
    part = hashlib.blake2b(can_id.encode(), digest_size=1).digest()[0] % SHARDS
    return str(part), int.from_bytes(hashlib.blake2b(can_id.encode(), digest_size=2).digest()) % HEARD_MINUTES
