"""AWS's keys, renewed ahead of time in a thread: a request waits for whoever issues them only while there are none."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from botocore.credentials import Credentials, ReadOnlyCredentials, RefreshableCredentials

#: How long not to ask again, whatever came of it: the metadata service may have been slow to start, and keys that were
#: near their end when they were issued are good for a while.
AGAIN_S = 5.0


class NoKeys(Exception):
    """There are no keys to sign with, or they have expired; the text says why."""


class Keys:
    """
    The keys of one process, safe to share between threads.

    find: botocore's search in the environment, the profile files and the metadata services, which may take seconds, as
    may each renewal. botocore itself renews in the request that first sees that keys end within a quarter of an hour,
    and lets all others wait for it in turn once they end within ten minutes: with a silent metadata service the fourth
    waited 36 s, though its keys were good for nine minutes more (measured 2026-11-26).
    """

    def __init__(self, find: Callable[[], Credentials | None]) -> None:
        self._find = find
        self._found: Credentials | None = None
        self._keys: ReadOnlyCredentials | None = None
        self._reason = "nobody has issued any yet"
        self._lock = threading.Lock()
        #: Set once the attempt to get keys that was begun last has ended.
        self._ended = threading.Event()
        self._ended.set()
        self._again_at = 0.0

    def current(self, within_s: float) -> ReadOnlyCredentials:
        """
        Return keys to sign with, at once where there are any that have not expired.

        within_s: how long to wait for the first ones, or for those after an end.
        Raises NoKeys.
        """
        keys = self._keys
        if keys and not self._end_soon():
            return keys
        ended = self._renew()
        if not keys or self._have_ended():
            ended.wait(within_s)
            keys = self._keys
            if not keys or self._have_ended():
                raise NoKeys(self._reason)
        return keys

    def _end_soon(self) -> bool:
        return isinstance(self._found, RefreshableCredentials) and bool(self._found.refresh_needed())

    def _have_ended(self) -> bool:
        return isinstance(self._found, RefreshableCredentials) and bool(self._found.refresh_needed(0))

    def _renew(self) -> threading.Event:
        """Begin to get keys, unless somebody does or just did; return what is set at the end of it."""
        with self._lock:
            if self._ended.is_set() and time.monotonic() >= self._again_at:
                ended = threading.Event()
                threading.Thread(target=self._get, args=(ended,), name="aws-keys", daemon=True).start()
                self._ended = ended
            return self._ended

    def _get(self, ended: threading.Event) -> None:
        try:
            if found := self._found or self._find():
                self._found, self._keys = found, found.get_frozen_credentials()
            else:
                self._reason = "no AWS credentials found; set AWS_ACCESS_KEY_ID or a role"
        except Exception as error:
            # A provider may run any program, and raise what it likes.
            self._reason = f"{type(error).__name__}: {error}"
        finally:
            self._again_at = time.monotonic() + AGAIN_S
            ended.set()
