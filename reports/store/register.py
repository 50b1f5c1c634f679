"""
The register: what workers must know of Django's database, copied into the pipeline table, an entry a key.

An entry is a text under a kind and an id, as the mountings of one sensor under its key; the entries of a kind lie in
16 partitions. Beside them stands one row of versions: each entry belongs to one of 256 buckets, and each change raises
its bucket's version. So a reader that kept entries learns by one small read which of them may have changed
(reports.worker.register).
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from reports.store.batches import READS, get_items
from reports.store.conditions import passes
from reports.store.dynamodb import PIPELINE, READ_WITHIN_S, Item, dynamodb, epoch_seconds
from reports.store.errors import StoreUnavailable, as_store_errors
from reports.store.pipeline_table import row_key
from trashsite.aws import side_by_side
from trashsite.names import full_name

logger = logging.getLogger(__name__)

#: Characters of an entry: ten thousand of the largest, in a worker's memory, are 80 MB.
MAX_ENTRY = 8_000
#: How long the revision of a deleted entry stays: a writer that was about to write it has ended by then.
DELETED_FOR = timedelta(days=1)
#: Of a write between whose reading and writing another one came.
TRIES = 5

_VERSIONS = row_key("register", "versions")
Value = TypeVar("Value")


def bucket_of(kind: str, id_: str) -> int:
    """Return the bucket of an entry, 0-255, the same for ever."""
    return hashlib.blake2b(f"{kind}#{id_}".encode(), digest_size=1).digest()[0]


def register_versions() -> dict[int, int]:
    """Return the version of each bucket in which anything was ever changed. Raises StoreUnavailable."""
    request = {"TableName": full_name(PIPELINE), "Key": _VERSIONS, "ConsistentRead": True}
    with as_store_errors():
        item = dynamodb().patiently("GetItem", request, within_s=READ_WITHIN_S).get("Item", {})
    return {int(name[1:], 16): int(value["N"]) for name, value in item.items() if name not in _VERSIONS}


def register_entries(kind: str, ids: Sequence[str]) -> dict[str, str]:
    """
    Return the text of each of these entries that there is, by id.

    Read as it stands at this moment, not as it stood a second ago: else an old text could be kept under a new version.
    Raises StoreUnavailable.
    """
    return {id_: item["text"]["S"] for id_, item in _read(kind, ids).items() if "text" in item}


def read_entry(kind: str, id_: str, text: str, parse: Callable[[str], Value]) -> Value | None:
    """
    Return what `parse` makes of an entry's text; None, which is logged once a minute, where it raises.

    The text is then in the form of another version of this program: while an upgrade goes on, or after it was undone.
    """
    try:
        return parse(text)
    except Exception as error:  # whatever another version writes, the reports of others go on
        logger.error("an entry of the register is in the form of another version: %s %s: %r", kind, id_, error)
        return None


def write_entries(
    kind: str, ids: Collection[str], texts: Callable[[Sequence[str]], Mapping[str, str]], now: datetime
) -> None:
    """
    Bring entries to what `texts` says of their ids at this moment, and delete those of which it says nothing.

    texts: is asked after the standing entries are read, and again for those that another writer changed meanwhile:
    so the last word is of whoever read last. An entry that is right already is not written. Safe to call again; a
    writer that ends in the middle has to. Raises StoreUnavailable, and ValueError for a text over MAX_ENTRY.
    """
    left: Sequence[str] = sorted(ids)
    with as_store_errors():
        for _ in range(TRIES):
            if not left:
                break
            standing = _read(kind, left)
            wanted = texts(left)
            writes = [
                (id_, wanted.get(id_), _revision(standing.get(id_)))
                for id_ in left
                if wanted.get(id_) != standing.get(id_, {}).get("text", {}).get("S")
            ]
            written = side_by_side(partial(_write, kind, now), writes)
            left = [id_ for (id_, _, _), is_written in zip(writes, written, strict=True) if not is_written]
        _raise_versions({bucket_of(kind, id_) for id_ in ids})
    if left:
        raise StoreUnavailable(f"{len(left)} entries of the register are written by others too: try again")


def _read(kind: str, ids: Sequence[str]) -> dict[str, Item]:
    keys = [_key(kind, id_) for id_ in ids]
    found: list[Item] = []
    with as_store_errors():
        for at in range(0, len(keys), READS):
            items, unread = get_items(full_name(PIPELINE), keys[at : at + READS], tries=3, consistent=True)
            if unread:
                raise StoreUnavailable("DynamoDB throttles reads of the register")
            found += items
    return {item["id"]["S"]: item for item in found}


def _key(kind: str, id_: str) -> Item:
    return row_key(f"register:{kind}:{bucket_of(kind, id_) >> 4:x}", id_)


def _revision(item: Item | None) -> int:
    return int((item or {}).get("revision", {}).get("N", "0"))


def _write(kind: str, now: datetime, wanted: tuple[str, str | None, int]) -> bool:
    """Write one entry on the condition that it is still the one that was read; say whether it was."""
    id_, text, revision = wanted
    if text is not None and len(text) > MAX_ENTRY:
        raise ValueError(f"an entry of the register may have {MAX_ENTRY} characters, {kind} {id_} has {len(text)}")
    values = {":revision": {"N": str(revision)}, ":next": {"N": str(revision + 1)}}
    is_as_read = "revision = :revision"
    if not revision:
        del values[":revision"]
        is_as_read = "attribute_not_exists(revision)"
    if text is None:
        change = "SET revision = :next, expires_at = :expires_at REMOVE #text"
        values[":expires_at"] = epoch_seconds(now + DELETED_FOR)
    else:
        change = "SET revision = :next, #text = :text REMOVE expires_at"
        values[":text"] = {"S": text}
    request = {
        "TableName": full_name(PIPELINE),
        "Key": _key(kind, id_),
        "UpdateExpression": change,
        "ConditionExpression": is_as_read,
        "ExpressionAttributeNames": {"#text": "text"},
        "ExpressionAttributeValues": values,
    }
    return passes("UpdateItem", request)


def _raise_versions(buckets: Collection[int]) -> None:
    """Say that entries of these buckets may have changed: last, so that who hears of it reads the new ones."""
    if not buckets:
        return
    added = ", ".join(f"v{bucket:02x} :one" for bucket in sorted(buckets))
    request = {
        "TableName": full_name(PIPELINE),
        "Key": _VERSIONS,
        "UpdateExpression": f"ADD {added}",
        "ExpressionAttributeValues": {":one": {"N": "1"}},
    }
    dynamodb().patiently("UpdateItem", request)
