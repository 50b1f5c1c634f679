"""
The open connections of a web process, as the kernel sees them.

granian closes a connection that is silent for 65 s, and no other: a client may send a head byte by byte, or never read
what it asked for. So a thread looks at the process's sockets, and shuts those down that read too slowly, and, where
connections run out, those that were answered longest ago. granian then sees the end of the connection and closes it.
Linux alone; elsewhere nothing is looked at.
"""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import stat
import struct
import sys
import termios
import threading
import time
from contextlib import suppress
from dataclasses import dataclass

from trashsite.server.visitors import Held, first_to_give_way

logger = logging.getLogger(__name__)

#: Of the connections that there may be, so many per cent make it close some, until so many are left.
HIGH_PERCENT, LOW_PERCENT = 75, 50
#: How often it looks.
SECONDS = 1.0
#: A reader must take so much within such a time, as long as there is something to take: 1 KiB/s.
READER_S = 15.0
READER_BYTES = 15 * 1024
#: How often it looks at readers.
READERS_EVERY_S = 3.0
#: Of an answer so much at most waits in the kernel for its reader. Linux doubles it; by itself it takes up to 4 MiB.
SEND_BUFFER_BYTES = 128 * 1024
#: Source: Linux, include/uapi/linux/tcp.h: struct tcp_info, tcpi_bytes_acked.
_BYTES_ACKED = struct.Struct("=120xQ")
_RESET_WHEN_CLOSED = struct.pack("ii", 1, 0)

Client = tuple[str, str]


@dataclass(slots=True, eq=False)
class _Connection(Held):
    """A client's connection: its descriptor, since when its reader is slow (0: it is not), what it had read then."""

    descriptor: int
    client: Client
    slow_since_s: float = 0.0
    acked: int = 0


class Connections:
    """The connections to one port of this process, of which there may be `most`."""

    def __init__(self, port: int, most: int) -> None:
        self._port = port
        self._most = most
        self._looking = threading.Lock()
        #: By inode, which no two open sockets share; None for what is no client's.
        self._sockets: dict[int, _Connection | None] = {}
        self._by_client: dict[Client, _Connection] = {}
        self._under_way: set[Client] = set()
        self._answered_s: dict[Client, float] = {}

    def begin(self, client: Client) -> None:
        """Note that a client's request came, whole or all but its body."""
        self._under_way.add(client)

    def end(self, client: Client) -> None:
        """Note that it was answered."""
        self._under_way.discard(client)
        self._answered_s[client] = time.monotonic()

    def abort(self, client: Client) -> None:
        """Break a client's connection: what is not sent yet never will be."""
        self._find_and_shut_down(client, reset=True)

    def hang_up(self, client: Client) -> None:
        """End a client's connection after what was sent: nothing more is read from it."""
        self._find_and_shut_down(client, reset=False)

    def _find_and_shut_down(self, client: Client, *, reset: bool) -> None:
        with self._looking:
            if client not in self._by_client:
                with suppress(OSError):  # None is left to look with.
                    self._look(time.monotonic())
            if connection := self._by_client.get(client):
                self._shut_down(connection, reset=reset)

    def watch(self) -> None:
        """Look after the connections until the process ends; for a thread of its own."""
        readers_s = 0.0
        while sys.platform == "linux":
            now = time.monotonic()
            try:
                with self._looking:
                    self._look(now)
                    self._make_room()
                    if now - readers_s >= READERS_EVERY_S:
                        readers_s = now
                        self._end_slow_readers(now)
            except OSError:
                # No descriptor is left for a look at the others: they end, or time does it.
                logger.warning("The open connections could not be looked at", exc_info=True)
            time.sleep(SECONDS)

    def _look(self, now: float) -> None:
        """Learn which connections are open."""
        found: dict[int, _Connection | None] = {}
        for name in os.listdir("/proc/self/fd"):
            descriptor = int(name)
            with suppress(OSError):  # Closed meanwhile.
                status = os.fstat(descriptor)
                if stat.S_ISSOCK(status.st_mode):
                    if status.st_ino in self._sockets:
                        found[status.st_ino] = self._sockets[status.st_ino]
                    else:
                        found[status.st_ino] = self._connection(descriptor, now)
        self._sockets = found
        self._by_client = {each.client: each for each in found.values() if each}
        if len(self._answered_s) > 2 * len(self._by_client) + 1000:
            answered = self._answered_s.copy()
            self._answered_s = {client: at for client, at in answered.items() if client in self._by_client}

    def _connection(self, descriptor: int, now: float) -> _Connection | None:
        with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as copy:
            if copy.family in (socket.AF_INET, socket.AF_INET6) and copy.getsockname()[1] == self._port:
                if copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    # Its connections inherit it.
                    copy.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
                    return None
                client = _client_of(copy)
                return _Connection(client[0], now, descriptor, client)
        return None

    def _make_room(self) -> None:
        """Where many are open, shut those down that have no request under way and were answered longest ago."""
        if len(self._by_client) * 100 <= self._most * HIGH_PERCENT:
            return
        too_many = len(self._by_client) - self._most * LOW_PERCENT // 100
        idle = [each for client, each in self._by_client.items() if client not in self._under_way]
        for each in idle:
            each.since_s = max(each.since_s, self._answered_s.get(each.client, 0.0))
        for each in first_to_give_way(idle)[:too_many]:
            self._shut_down(each)

    def _end_slow_readers(self, now: float) -> None:
        for each in self._by_client.values():
            with suppress(OSError):  # Closed meanwhile.
                if not _unsent_bytes(each.descriptor):
                    each.slow_since_s = 0.0
                    continue
                acked = _acked_bytes(each.descriptor)
                if not each.slow_since_s or acked - each.acked >= READER_BYTES:
                    each.slow_since_s, each.acked = now, acked
                elif now - each.slow_since_s >= READER_S:
                    self._shut_down(each)

    def _shut_down(self, connection: _Connection, *, reset: bool = True) -> None:
        """End a connection, if its descriptor is still its own: a copy of one cannot become another's."""
        with suppress(OSError), socket.socket(fileno=os.dup(connection.descriptor)) as copy:
            if _client_of(copy) == connection.client:
                if reset:  # Else the kernel would keep what was not read for minutes.
                    copy.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_WHEN_CLOSED)
                copy.shutdown(socket.SHUT_RDWR)


def _client_of(connection: socket.socket) -> Client:
    host, port = connection.getpeername()[:2]
    return host, str(port)


def _unsent_bytes(descriptor: int) -> int:
    """Return what was written to a socket and has not arrived at its other end. Source: Linux, tcp(7), SIOCOUTQ."""
    (size,) = struct.unpack("i", fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(4)))
    return int(size)


def _acked_bytes(descriptor: int) -> int:
    with socket.socket(fileno=os.dup(descriptor)) as copy:
        (size,) = _BYTES_ACKED.unpack(copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_ACKED.size))
    return int(size)
