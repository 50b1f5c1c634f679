"""
What this worker process knows of the register (reports.store.register): entries as they were at most 10 s ago.

An entry that was read is kept while its bucket's version stays. The versions are read at most every 5 s, and only when
a batch needs an entry. So a fleet of any size costs one small read in 5 s, memory for the entries that are in use, up
to a bound, and one read for each entry that is new or has changed. Django's database is never asked: while it is away,
or the site, the entries stay as they were. So does an entry whose new text another version of this program wrote, and
this one cannot read.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Generic, TypeVar

from reports import store

#: How long the versions are believed. A read and a batch take less than the other half of 10 s.
BELIEVED_S = 5.0
#: Characters of entries that one register keeps; each counts as OVERHEAD more, for its id and itself.
MOST_KEPT = 8_000_000
OVERHEAD = 400

Value = TypeVar("Value")


@dataclass(slots=True)
class _Versions:
    """The versions of all buckets, as this process last read them. read_s: when, monotonic; None: never."""

    found: dict[int, int]
    read_s: float | None = None


_versions = _Versions({})
_reading = threading.Lock()


@dataclass(frozen=True, slots=True)
class _Kept(Generic[Value]):
    """value: None where there is no entry, or where it cannot be read, and could not be before: `is_unread`."""

    version: int
    size: int
    value: Value | None
    is_unread: bool = False


class Register(Generic[Value]):
    """
    The entries of one kind, each made a value once.

    kind: as "sensor". parse: makes the value of an entry's text, and raises where it cannot (store.read_entry).
    """

    def __init__(self, kind: str, parse: Callable[[str], Value], *, most: int = MOST_KEPT) -> None:
        self.kind = kind
        self._parse = parse
        self._most = most
        self._kept: OrderedDict[str, _Kept[Value]] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def entries(self, ids: Collection[str]) -> dict[str, Value]:
        """
        Return the values of those entries that there are, by id.

        Raises StoreUnavailable where the versions, or an entry that is not known here, have to be read and cannot.
        """
        if not ids:
            return {}
        versions = _current_versions()
        found: dict[str, Value] = {}
        unknown: list[str] = []
        with self._lock:
            for id_ in ids:
                kept = self._kept.get(id_)
                if kept is None or kept.version != versions.get(store.bucket_of(self.kind, id_), 0):
                    unknown.append(id_)
                else:
                    self._kept.move_to_end(id_)
                    if kept.value is not None:
                        found[id_] = kept.value
        if unknown:
            texts = store.register_entries(self.kind, unknown)
            for id_ in unknown:
                # Under the version that was known before the entry was read: the entry is no older than that.
                version = versions.get(store.bucket_of(self.kind, id_), 0)
                value = self._keep(id_, texts.get(id_), version)
                if value is not None:
                    found[id_] = value
        return found

    def unread(self, ids: Collection[str]) -> set[str]:
        """Return those of entries just asked for that are there, and have no value: another version wrote them."""
        with self._lock:
            return {id_ for id_ in ids if (kept := self._kept.get(id_)) and kept.is_unread}

    def forget(self) -> None:
        """Forget all entries, as between tests."""
        with self._lock:
            self._kept.clear()
            self._size = 0

    def _keep(self, id_: str, text: str | None, version: int) -> Value | None:
        """Keep an entry as it was read, None where there is none; return its value."""
        value = None if text is None else store.read_entry(self.kind, id_, text, self._parse)
        is_unread = text is not None and value is None
        with self._lock:
            before = self._kept.pop(id_, None)
            if before:
                self._size -= before.size
                if is_unread:
                    value = before.value
            size = len(id_) + len(text or "") + OVERHEAD
            self._kept[id_] = _Kept(version, size, value, is_unread and value is None)
            self._size += size
            while self._size > self._most:
                _, oldest = self._kept.popitem(last=False)
                self._size -= oldest.size
        return value


def _current_versions() -> dict[int, int]:
    read_s = _versions.read_s
    if read_s is not None and time.monotonic() - read_s < BELIEVED_S:
        return _versions.found
    with _reading:
        if _versions.read_s is None or time.monotonic() - _versions.read_s >= BELIEVED_S:
            began = time.monotonic()
            _versions.found = store.register_versions()
            _versions.read_s = began
        return _versions.found


def forget_versions() -> None:
    """Forget when the versions were read: the next entry that is asked for has them read again."""
    _versions.read_s = None
