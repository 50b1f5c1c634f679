"""How a report lies in DynamoDB: names of tables and attributes, sort keys, and the way there and back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

import orjson
from django.conf import settings

from reports.insight.fold import SLOT_S, SLOTS, Row, Sent, slot_of
from reports.report import EPOCH, Report, iso, percent
from trashsite import aws

Item = dict[str, dict[str, Any]]

LEVELS = "trash-levels"
HISTORY = "trash-level-history"
PIPELINE = "trash-pipeline"

#: Partitions of each index of the levels table: a write to one never waits for more than an eighth of the fleet.
SHARDS = 8
#: Hash and range key of each index of the levels table; they hold keys alone.
INDEXES: dict[str, tuple[str, ...]] = {
    "by-level": ("index_part", "level_key"),
    "by-heard": ("index_part", "heard_key"),
    "by-id": ("index_part", "id"),
}

#: Levels below which a band has one key: most of a can's life is there, and each key that moves costs two write units.
BANDS = (0, 50, 60, 70)
EXACT_FROM = 80
#: For so long a can's key in by-heard stays where it is.
HEARD_MINUTES = 12 * 60
_MINUTE = timedelta(minutes=1)
_FIRST = datetime.min.replace(tzinfo=UTC)

#: Who asks for a page waits for it: better a 503 than a long silence.
READ_WITHIN_S = 2.5


class Keyed(NamedTuple):
    """A report with its sort key, which costs a digest and is needed often."""

    report: Report
    key: str


def dynamodb() -> aws.Client:
    """Return this process's client for DynamoDB."""
    return aws.client("dynamodb")


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
    said = f"{json.dumps(report.can_id)}{report.level}{_canonical(report.attributes)}"
    return f"{instant_key(report.measured_at)}#{hashlib.blake2b(said.encode(), digest_size=8).hexdigest()}"


def _canonical(attributes: str) -> str:
    """Return a JSON object's text without its accidents: white space and the order of members."""
    if attributes == "{}":
        return ""
    return json.dumps(json.loads(attributes, parse_float=_digits, parse_int=_digits), sort_keys=True)


def _digits(sent: str) -> str:
    """Mark a number's digits by NUL, which no string of a report holds: 1 and "1" are two reports."""
    return f"\0{sent}"


def history_item(report: Report, key: str) -> Item:
    """Return the row that the history keeps of a report, to be swept TRASH_HISTORY_DAYS after its receipt."""
    assert report.received_at is not None
    expires_at = report.received_at + timedelta(days=settings.TRASH_HISTORY_DAYS)
    item: Item = {
        "id": {"S": report.can_id},
        "order_key": {"S": key},
        "level": {"S": report.level},
        "received_at": {"S": iso(report.received_at)},
        "expires_at": {"N": str(int(expires_at.timestamp()))},
    }
    if report.attributes != "{}":
        item["attributes"] = {"S": report.attributes}
    return item


def row_values(row: Row) -> Item:
    """Return the attributes that the levels table keeps of a can, all but its id and version."""
    report = row.report
    assert report.received_at is not None
    place = report.location
    return {
        "level": {"S": report.level},
        "received_at": {"S": iso(report.received_at)},
        "order_key": {"S": row.key},
        "attributes": {"S": report.attributes},
        "stream": {"S": report.stream or ""},
        "location": {"S": f"{place[0]},{place[1]}" if place else ""},
        "fold": {"S": _fold_text(row)},
        **index_keys(report.can_id, report.level, report.measured_at),
    }


def row_of(item: Item) -> Row | None:
    """
    Return the row of the levels table that an item holds, None where it holds no level.

    What the lab's own service wrote, and version 0.1 of this program, is taken as it is.
    """
    report = report_of(item)
    if report is None:
        return None
    key = item.get("order_key", {}).get("S", "")
    row = Row(report, key, key if report.stream else "", key if report.location else "")
    text = item.get("fold", {}).get("S")
    if text and key:
        return _unfolded(row, orjson.loads(text))
    return replace(row, samples=_ring(item), is_whole=not key)


def _fold_text(row: Row) -> str:
    """
    Return what a row knows beside its newest report, as JSON.

    of: the sort key up to which it is folded. trend: the number of the newest two hours, and for each of the last
    twelve five hex digits: second within it * 128 + whole percent. stream, location: sort keys of the reports that sent
    them, where it was not the newest. known: by sort key, names and texts of attributes.
    """
    folded: dict[str, Any] = {"of": row.key, "trend": _trend_text(row.samples)}
    if row.stream_key not in ("", row.key):
        folded["stream"] = row.stream_key
    if row.location_key not in ("", row.key):
        folded["location"] = row.location_key
    if row.known:
        known: dict[str, dict[str, str]] = {}
        for name, sent in sorted(row.known.items()):
            known.setdefault(sent.key, {})[name] = sent.text
        folded["known"] = known
    return orjson.dumps(folded).decode()


def _unfolded(row: Row, folded: dict[str, Any]) -> Row:
    """Return a row with what `_fold_text` wrote beside it."""
    known = {name: Sent(text, key) for key, said in folded.get("known", {}).items() for name, text in said.items()}
    samples = _samples(folded["trend"])
    if folded["of"] != row.key:
        # Version 0.1, which knows nothing of the fold, wrote its newest report over it.
        return replace(row, known=known, samples=samples, is_whole=False)
    return Row(
        row.report,
        row.key,
        folded.get("stream", row.stream_key),
        folded.get("location", row.location_key),
        known,
        samples,
    )


_NONE = "-----"


def _trend_text(samples: Sequence[int]) -> str:
    if not samples:
        return ""
    newest = slot_of(samples[-1])
    digits = [_NONE] * SLOTS
    for sample in samples:
        slot = slot_of(sample)
        digits[slot - newest - 1] = f"{sample - (slot * SLOT_S << 7):05x}"
    return f"{newest:x}:{''.join(digits)}"


def _samples(text: str) -> tuple[int, ...]:
    if not text:
        return ()
    newest, _, digits = text.partition(":")
    first = int(newest, 16) - SLOTS + 1
    spans = [digits[at : at + 5] for at in range(0, len(digits), 5)]
    return tuple(((first + at) * SLOT_S << 7) + int(each, 16) for at, each in enumerate(spans) if each != _NONE)


def _ring(item: Item) -> tuple[int, ...]:
    """Return the samples that version 0.1 kept: twelve attributes, `t0` to `tb`, each slot * 128 + percent."""
    sent = sorted(int(value) for at in range(SLOTS) if (value := item.get(f"t{at:x}", {}).get("N")))
    # What is older than a day is a slot of the round before.
    kept = [value for value in sent if value >> 7 > (sent[-1] >> 7) - SLOTS]
    return tuple((value >> 7) * SLOT_S * 128 + (value & 127) for value in kept)


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


def day_key(day: str) -> str:
    """Return the history sort key of a can's summary of one UTC day, as "2026-11-24"."""
    return f"d#{day}"


def report_of(item: Item) -> Report | None:
    """
    Return the report that a row of either table holds, None where it holds no level.

    The lab's own service writes `id` and `level` alone: its times are None.
    """
    sent = item.get("level", {})
    level = sent.get("S") or sent.get("N")
    if not level:
        return None
    key = item.get("order_key", {}).get("S")
    received_at = item.get("received_at", {}).get("S")
    lat, _, lon = item.get("location", {}).get("S", "").partition(",")
    return Report(
        can_id=item["id"]["S"],
        level=level,
        measured_at=datetime.fromisoformat(key.partition("#")[0]) if key else None,
        received_at=datetime.fromisoformat(received_at) if received_at else None,
        attributes=item.get("attributes", {}).get("S") or "{}",
        stream=item.get("stream", {}).get("S") or None,
        location=(Decimal(lat), Decimal(lon)) if lon else None,
    )
