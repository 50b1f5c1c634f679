"""
Sensors beside their cans: the state of those that are registered, and those that wait to be.

A state is a text a key (reports.formats.sensor_state), in 16 partitions of the pipeline table; it is read, changed and
written on the condition that it is still the one that was read.

A sensor that nobody has registered waits: a row in the list of waiting sensors, and its messages, as they came, in the
history table under an id that no can has. Both are swept 14 days after the last of them. The list is bounded by whoever
adds to it (reports.worker.waiting).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import NamedTuple

from reports.report import iso
from reports.store.batches import (
    CHANGED,
    CONTENDED,
    READS,
    WRITES,
    Statement,
    error_code,
    execute_once,
    get_items,
    is_throttled,
    pause,
    put_all,
)
from reports.store.dynamodb import HISTORY, PIPELINE, Item, dynamodb, epoch_seconds
from reports.store.errors import StoreUnavailable, as_store_errors
from reports.store.keys import instant_key
from reports.store.pipeline_table import row_key, rows
from reports.store.reading import AFTER_ALL, query_history
from trashsite.names import full_name

#: Of writes between whose reading and writing another worker's came.
ROUNDS = 6
#: How long a sensor waits after its last message, and each of its messages is kept.
KEPT = timedelta(days=14)
#: How long one waits of which a single message came: most of what is invented.
KEPT_ONCE = timedelta(days=1)


class StoredState(NamedTuple):
    """A sensor's state as text, and how often it was written: 0 where there is none, and text is ""."""

    text: str = ""
    version: int = 0


def sensor_states(keys: Sequence[str], *, consistent: bool = False) -> dict[str, StoredState]:
    """Return the state of each of these sensors. Raises StoreUnavailable."""
    found = dict.fromkeys(keys, StoredState())
    wanted = [_state_key(key) for key in found]
    with as_store_errors():
        for at in range(0, len(wanted), READS):
            items, unread = get_items(full_name(PIPELINE), wanted[at : at + READS], tries=3, consistent=consistent)
            if unread:
                raise StoreUnavailable("DynamoDB throttles reads of the sensors' states")
            for item in items:
                found[item["id"]["S"]] = StoredState(item["text"]["S"], int(item["version"]["N"]))
    return found


def change_states(known: Mapping[str, StoredState], change: Callable[[str, str], str]) -> None:
    """
    Change the state of each of these sensors.

    known: the states as they were read a moment ago. change: returns the new text of a key, given the text that stands;
    it is asked again where another worker has written it meanwhile. Raises StoreUnavailable.
    """
    left = dict(known)
    for attempt in range(1, ROUNDS + 1):
        new = {key: change(key, state.text) for key, state in left.items()}
        name = full_name(PIPELINE)
        statements = [
            (key, _statement(name, key, state, new[key])) for key, state in left.items() if new[key] != state.text
        ]
        changed: list[str] = []
        reasons: list[str] = []
        for at in range(0, len(statements), WRITES):
            batch = statements[at : at + WRITES]
            with as_store_errors():
                results = execute_once([statement for _, statement in batch])
            for (key, _), result in zip(batch, results, strict=True):
                code = error_code(result)
                if code in CHANGED or is_throttled(result):
                    changed.append(key)
                elif code:
                    reasons.append(f"{code} {result['Error'].get('Message')}")
        if reasons:
            raise StoreUnavailable(reasons[0])
        if not changed:
            return
        pause(attempt, CONTENDED)
        left = sensor_states(changed, consistent=True)
    raise StoreUnavailable(f"the states of {len(left)} sensors are written by many at once, or throttled")


# Asked twice of each sensor of a batch: to read its state, and to write it.
@lru_cache(maxsize=1_024)
def _state_key(key: str) -> Item:
    shard = hashlib.blake2b(key.encode(), digest_size=1).digest()[0] >> 4
    return row_key(f"sensor:{shard:x}", key)


def _statement(name: str, key: str, state: StoredState, text: str) -> Statement:
    where = _state_key(key)
    parameters = [{"S": text}, {"N": str(state.version + 1)}, where["kind"], where["id"]]
    if not state.version:
        return {"Statement": _insert(name), "Parameters": parameters}
    return {"Statement": _update(name), "Parameters": [*parameters, {"N": str(state.version)}]}


@cache
def _insert(name: str) -> str:
    return f"INSERT INTO \"{name}\" VALUE {{'text': ?, 'version': ?, 'kind': ?, 'id': ?}}"


@cache
def _update(name: str) -> str:
    return f'UPDATE "{name}" SET "text"=?, version=? WHERE kind=? AND id=? AND version=?'  # noqa: S608


# -- sensors that wait -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Waiting:
    """
    A sensor that nobody has registered.

    messages: how many of its messages were kept, about. told: what it told last (reports.formats.sensor_state's text).
    """

    key: str
    first_at: datetime
    last_at: datetime
    messages: int
    told: str


@dataclass(frozen=True, slots=True)
class KeptMessage:
    """A message of a sensor that waits, as it came; the id, time and sender are those of its first delivery."""

    body: str
    message_id: str
    sent_at: datetime
    sender_id: str


def waiting_sensors(now: datetime) -> list[Waiting]:
    """Return the sensors that wait, by key. Raises StoreUnavailable."""
    return [
        Waiting(
            key=item["id"]["S"],
            first_at=datetime.fromisoformat(item["first_at"]["S"]),
            last_at=datetime.fromisoformat(item["last_at"]["S"]),
            messages=int(item["messages"]["N"]),
            told=item["told"]["S"],
        )
        for item in rows("waiting", now=now)
    ]


def put_waiting(sensors: Sequence[Waiting]) -> None:
    """List sensors that wait, over what the list says of them. Raises StoreUnavailable."""
    put_all(
        full_name(PIPELINE),
        [
            {
                **row_key("waiting", each.key),
                "first_at": {"S": iso(each.first_at)},
                "last_at": {"S": iso(each.last_at)},
                "messages": {"N": str(each.messages)},
                "told": {"S": each.told},
                "expires_at": epoch_seconds(each.last_at + (KEPT if each.messages > 1 else KEPT_ONCE)),
            }
            for each in sensors
        ],
    )


def forget_waiting(key: str) -> None:
    """Take a sensor off the list; the messages that it sent stay until they expire. Raises StoreUnavailable."""
    request = {"TableName": full_name(PIPELINE), "Key": row_key("waiting", key)}
    with as_store_errors():
        dynamodb().patiently("DeleteItem", request)


def keep_messages(messages: Mapping[str, Sequence[KeptMessage]]) -> None:
    """Keep messages of sensors that wait, by key; one that is kept already is the same row. Raises StoreUnavailable."""
    items = {
        (key, _message_key(each)): {
            "id": {"S": _kept_id(key)},
            "order_key": {"S": _message_key(each)},
            "body": {"S": each.body},
            "message": {"S": json.dumps([each.message_id, iso(each.sent_at), each.sender_id])},
            "expires_at": epoch_seconds(each.sent_at + KEPT),
        }
        for key, sent in messages.items()
        for each in sent
    }
    put_all(full_name(HISTORY), list(items.values()))


def kept_messages(key: str, now: datetime) -> Iterator[list[KeptMessage]]:
    """Yield the messages that a sensor sent while it waited, oldest first, by pages. Raises StoreUnavailable."""
    with as_store_errors():
        for answer in query_history(_kept_id(key), "0", AFTER_ALL, now=now):
            yield [_kept(item) for item in answer["Items"]]


def _kept(item: Item) -> KeptMessage:
    message_id, sent_at, sender_id = json.loads(item["message"]["S"])
    return KeptMessage(item["body"]["S"], message_id, datetime.fromisoformat(sent_at).astimezone(UTC), sender_id)


def _kept_id(key: str) -> str:
    # No can's id holds a slash.
    return f"sensor/{key}"


def _message_key(message: KeptMessage) -> str:
    digest = hashlib.blake2b(f"{message.message_id} {message.body}".encode(), digest_size=8).hexdigest()
    return f"{instant_key(message.sent_at)}#{digest}"
