"""How a report lies in DynamoDB: names of tables and attributes, sort keys, and the way there and back."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings

from reports.report import Report, iso, percent
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

#: A can's trend: how many samples its row keeps, and how many seconds apart.
SLOTS, SLOT_S = 12, 7200

#: Who asks for a page waits for it: better a 503 than a long silence.
READ_WITHIN_S = 2.5


def dynamodb() -> aws.Client:
    """Return this process's client for DynamoDB."""
    return aws.client("dynamodb")


def instant_key(instant: datetime) -> str:
    """Return an instant in fixed width, so that text order is time order: `2026-11-24T09:30:00.000000Z`."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


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


def latest_values(report: Report, key: str) -> Item:
    """Return the attributes that the levels table keeps of a can's newest report, all but its id."""
    assert report.received_at is not None
    place = report.location
    return {
        "level": {"S": report.level},
        "received_at": {"S": iso(report.received_at)},
        "order_key": {"S": key},
        "attributes": {"S": report.attributes},
        "stream": {"S": report.stream or ""},
        "location": {"S": f"{place[0]},{place[1]}" if place else ""},
        **index_keys(report.can_id, report.level, report.measured_at),
        **trend_slot(report),
    }


def trend_slot(report: Report) -> Item:
    """
    Return the attribute in which a can's row remembers this level for its trend.

    Twelve attributes, `t0` to `tb`, are a ring of two hours each: a write sets one and needs to read none. The
    number is the slot's place in time and the whole percent, 128 to a slot: about 100 bytes for all twelve.
    """
    assert report.measured_at is not None
    slot = int(report.measured_at.timestamp()) // SLOT_S
    return {f"t{slot % SLOTS:x}": {"N": str(slot * 128 + int(Decimal(report.level)))}}


def trend_of(item: Item) -> tuple[int | None, ...]:
    """Return a can's whole percents of the last day up to its newest report, one in two hours, oldest first."""
    known = {}
    for at in range(SLOTS):
        if value := item.get(f"t{at:x}", {}).get("N"):
            slot, percent = divmod(int(value), 128)
            known[slot] = percent
    newest = max(known, default=0)
    # What is older than a day is a slot of the round before.
    return tuple(known.get(slot) for slot in range(newest - SLOTS + 1, newest + 1)) if known else ()


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
        keys["heard_key"] = {"S": f"{heard_part(measured_at)}#{can_id}"}
    return keys


# The parts before the `#` are coarse, so that an uneventful report moves no index row. The can's id behind it makes
# each key unique, so that one key is a position in all shards.


def level_part(level: int) -> str:
    """Return how a level key begins: the whole percent."""
    return f"{level:03d}"


def heard_part(instant: datetime) -> str:
    """Return how a heard key begins: the hour of the measurement."""
    return instant_key(instant)[:13]


def shard_of(can_id: str) -> str:
    """Return the index partition of a can, the same for ever."""
    return str(hashlib.blake2b(can_id.encode(), digest_size=1).digest()[0] % SHARDS)


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
