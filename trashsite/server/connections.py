"""
The open connections of a web process, as the kernel sees them.

granian closes a connection that is silent for 65 s, and no other: a client may send a head byte by byte, or never read
what it asked for. So a thread looks at the process's sockets, and shuts those down that read too slowly, and, where
connections run out, those that were answered longest ago. granian then sees the end of the connection and closes it.
Linux alone; elsewhere nothing is looked at.
"""

from __future__ import annotations

import ctypes
import logging
import os
import socket
import struct
import sys
import termios
import threading
import time
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

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
#: Of all answers together; where more waits, those whose reader has had nothing else for longest are ended until half
#: of it is left.
MOST_UNSENT_BYTES = 64 * 1024 * 1024
#: Source: Linux, include/uapi/linux/tcp.h: struct tcp_info, tcpi_bytes_acked.
_BYTES_ACKED = struct.Struct("=120xQ")
_RESET_WHEN_CLOSED = struct.pack("ii", 1, 0)

#: Python's own calls give up the interpreter's lock, and 4,000 of them in a row would wait for it 4,000 times: looking
#: took many seconds while others were busy.
_libc = ctypes.PyDLL(None)

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
        #: By descriptor and what is at the other end; None for what is no client's.
        self._sockets: dict[tuple[int, bytes], _Connection | None] = {}
        self._by_client: dict[Client, _Connection] = {}
        self._under_way: set[Client] = set()
        self._answered_s: dict[Client, float] = {}
        #: Whose connections are to be ended, and whether without what is not sent yet.
        self._ending: deque[tuple[Client, bool, Future[None]]] = deque()
        self._wanted = threading.Event()

    def begin(self, client: Client) -> None:
        """Note that a client's request came, whole or all but its body."""
        self._under_way.add(client)

    def end(self, client: Client) -> None:
        """Note that it was answered."""
        self._under_way.discard(client)
        self._answered_s[client] = time.monotonic()

    def abort(self, client: Client) -> Future[None]:
        """Have a client's connection broken soon: what is not sent by then never will be. Done once it is broken."""
        return self._end_soon(client, reset=True)

    def hang_up(self, client: Client) -> None:
        """Have a client's connection ended soon, after what was sent: nothing more is read from it."""
        self._end_soon(client, reset=False)

    def _end_soon(self, client: Client, *, reset: bool) -> Future[None]:
        ended: Future[None] = Future()
        self._ending.append((client, reset, ended))
        self._wanted.set()
        return ended

    def watch(self) -> None:
        """Look after the connections until the process ends; for a thread of its own."""
        readers_s, is_limited = 0.0, False
        while sys.platform == "linux":
            now = time.monotonic()
            try:
                is_limited = is_limited or self._limit_send_buffers()
                self._look(now)
                while self._ending:
                    client, reset, ended = self._ending.popleft()
                    if connection := self._by_client.get(client):
                        self._shut_down(connection, reset=reset)
                    ended.set_result(None)
                self._make_room()
                if now - readers_s >= READERS_EVERY_S:
                    readers_s = now
                    self._end_slow_readers(now)
            except OSError:
                # No descriptor is left for a look at the others: they end, or time does it.
                logger.warning("The open connections could not be looked at", exc_info=True)
            self._wanted.wait(SECONDS)
            self._wanted.clear()

    def _look(self, now: float) -> None:
        """Learn which connections are open."""
        found: dict[tuple[int, bytes], _Connection | None] = {}
        for descriptor in range(_descriptors()):
            if peer := _address(_libc.getpeername, descriptor):
                key = descriptor, peer
                found[key] = self._sockets[key] if key in self._sockets else self._connection(descriptor, peer, now)
        self._sockets = found
        self._by_client = {each.client: each for each in found.values() if each}
        if len(self._answered_s) > 2 * len(self._by_client) + 1000:
            answered = self._answered_s.copy()
            self._answered_s = {client: at for client, at in answered.items() if client in self._by_client}

    def _connection(self, descriptor: int, peer: bytes, now: float) -> _Connection | None:
        # Source: Linux, ip(7), ipv6(7): a family, a port, and the address, behind a flow's label where it is IPv6.
        family, port = int.from_bytes(peer[:2], sys.byteorder), int.from_bytes(peer[2:4], "big")
        own = _address(_libc.getsockname, descriptor)
        if family not in (socket.AF_INET, socket.AF_INET6) or int.from_bytes(own[2:4], "big") != self._port:
            return None
        host = socket.inet_ntop(family, peer[4:8] if family == socket.AF_INET else peer[8:24])
        return _Connection(host, now, descriptor, (host, str(port)))

    def _limit_send_buffers(self) -> bool:
        """Limit what waits in the kernel for a reader, once there is a listening socket: its connections inherit it."""
        for descriptor in range(_descriptors()):
            with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as copy:
                if copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) and copy.getsockname()[1] == self._port:
                    copy.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
                    return True
        return False

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
        """Shut those down that read too slowly, and, where too much is unsent in all, those that wait for longest."""
        unsent: dict[_Connection, int] = {}
        for each in self._by_client.values():
            with suppress(OSError):  # Closed meanwhile.
                size = _unsent_bytes(each.descriptor)
                if not size:
                    each.slow_since_s = 0.0
                    continue
                unsent[each] = size
                acked = _acked_bytes(each.descriptor)
                if not each.slow_since_s or acked - each.acked >= READER_BYTES:
                    each.slow_since_s, each.acked = now, acked
                elif now - each.slow_since_s >= READER_S:
                    self._shut_down(each)
        left = sum(unsent.values())
        if left > MOST_UNSENT_BYTES:
            for each in first_to_give_way(unsent):
                if left <= MOST_UNSENT_BYTES // 2:
                    break
                self._shut_down(each)
                left -= unsent[each]

    def _shut_down(self, connection: _Connection, *, reset: bool = True) -> None:
        """End a connection, if its descriptor is still its own: a copy of one cannot become another's."""
        with suppress(OSError), socket.socket(fileno=os.dup(connection.descriptor)) as copy:
            if _client_of(copy) == connection.client:
                if reset:  # Else the kernel would keep what was not read for minutes.
                    copy.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_WHEN_CLOSED)
                copy.shutdown(socket.SHUT_RDWR)


def _descriptors() -> int:
    """Return a number above each open descriptor. Source: Linux, proc(5), FDSize of /proc/pid/status."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("FDSize:"))


_buffer, _length = ctypes.create_string_buffer(128), ctypes.c_uint32()
_length_address = ctypes.byref(_length)


def _address(call: Any, descriptor: int) -> bytes:
    """Return what getpeername or getsockname tells; nothing where it fails. For one thread alone."""
    _length.value = len(_buffer)
    return b"" if call(descriptor, _buffer, _length_address) else _buffer.raw[: _length.value]


def _client_of(connection: socket.socket) -> Client:
    host, port = connection.getpeername()[:2]
    return host, str(port)


def _unsent_bytes(descriptor: int) -> int:
    """Return what was written to a socket and has not arrived at its other end. Source: Linux, tcp(7), SIOCOUTQ."""
    size = ctypes.c_int()
    return size.value if _libc.ioctl(descriptor, termios.TIOCOUTQ, ctypes.byref(size)) == 0 else 0


def _acked_bytes(descriptor: int) -> int:
    with socket.socket(fileno=os.dup(descriptor)) as copy:
        (size,) = _BYTES_ACKED.unpack(copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_ACKED.size))
    return int(size)
