"""What a process knows of its connections from the kernel, and whom it ends."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from stack.servers import LOOPBACK
from trashsite.server import connections as module
from trashsite.server.connections import Connections

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="connections are looked at on Linux alone")


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server((LOOPBACK, 0)) as listening:
        yield listening


def test_where_too_much_is_unsent_the_oldest_of_those_who_do_not_read_are_ended(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections = Connections(listening.getsockname()[1], 100)
    with ExitStack() as opened:
        ours = []
        for number in range(8):
            client = opened.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            client.connect(listening.getsockname())
            mine, _ = listening.accept()
            opened.enter_context(mine)
            mine.setblocking(False)
            # The last two read.
            with suppress(BlockingIOError):
                while number < 6:
                    mine.send(bytes(65536))
            connections._look(float(number))
            ours.append(mine)
        unsent = sum(module._unsent_bytes(each.fileno()) for each in ours)

        monkeypatch.setattr(module, "MOST_UNSENT_BYTES", unsent)
        connections._end_slow_readers(10.0)
        assert not any(map(is_ended, ours))

        monkeypatch.setattr(module, "MOST_UNSENT_BYTES", unsent - 1)
        connections._end_slow_readers(10.0)
        assert [is_ended(each) for each in ours] in ([True] * count + [False] * (8 - count) for count in (3, 4))


def is_ended(connection: socket.socket) -> bool:
    """Tell whether we have ended a connection."""
    # Source: Linux, include/net/tcp_states.h: TCP_ESTABLISHED.
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != 1
