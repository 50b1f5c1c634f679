"""
A front for a server that answers any web page: it passes what programs send, and refuses what a browser sends.

Each page that a browser of this machine shows may send requests to 127.0.0.1, and dynoxide allows every page to read
the answers; ElasticMQ and DynamoDB Local act on what a page sends. Browsers name the page in Origin or Sec-Fetch-Site,
which no SDK sends; a page whose host name leads to this machine shows itself in Host. The server behind listens on a
port that browsers never open, so that a page cannot go round the front.
Source: WHATWG, Fetch: port blocking, and the forbidden request headers.

Bytes are passed as they come, and only looked at: a request costs 0.1 ms of CPU more (measured 2026-11-26).
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from itertools import islice
from pathlib import Path

from stack.servers import LOOPBACK, StackError, is_free

#: Source: WHATWG, Fetch, "bad port": some of those above 1023.
BLOCKED_BY_BROWSERS = (6697, 6679, 6669, 6668, 6667, 6666, 6665, 6566, 10080, 5061, 5060, 4190, 4045, 3659)
#: JSON writes line ends within a text as escapes, so this is never a part of a body.
_BY_A_PAGE = re.compile(
    rb"\n(?:origin|sec-fetch-\w+)[ \t]*+:"
    rb"|\nhost:[ \t]*+(?!(?:127\.0\.0\.1|localhost|\[::1\])(?::\d+)?[ \t]*+[\r\n])[^\r\n]*+[\r\n]",
    re.IGNORECASE,
)
#: No line that is looked for is longer: of a host's name, the longest is 255.
_LONGEST = 512
_REFUSED = b"This server is for programs on this machine, not for web pages.\n"
_ANSWER = b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (
    len(_REFUSED),
    _REFUSED,
)


@contextmanager
def blocked_ports(count: int) -> Iterator[list[int]]:
    """
    Keep free ports that browsers refuse to open from other stacks of this user, as long as the body runs.

    A Java server listens seconds after its port was chosen; another stack must not choose it meanwhile.
    Raises StackError where there are not so many.
    """
    with ExitStack() as kept:
        ports = list(islice((port for port in BLOCKED_BY_BROWSERS if _keep(port, kept) and is_free(port)), count))
        if len(ports) < count:
            said = ", ".join(map(str, BLOCKED_BY_BROWSERS))
            raise StackError(f"Of the ports {said}, {len(ports)} are free; {count} must be.")
        yield ports


def _keep(port: int, kept: ExitStack) -> bool:
    """Take this user's lock of a port until `kept` ends; return whether nobody else has it."""
    lock = Path(tempfile.gettempdir()) / f"trashsite-{os.getuid()}-port-{port}.lock"
    try:
        # Anybody may have put a link there.
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError:
        return False
    kept.callback(os.close, descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@asynccontextmanager
async def front(port: int, behind: int) -> AsyncIterator[None]:
    """Pass what programs send to `port` of 127.0.0.1 on to the port `behind`, as long as the body runs."""
    loop = asyncio.get_running_loop()
    clients: set[_Client] = set()
    server = await loop.create_server(lambda: _Client(behind, clients), LOOPBACK, port)
    try:
        yield
    finally:
        server.close()
        for client in list(clients):
            client.abort()
        # asyncio closes the sockets in its next turns.
        await asyncio.sleep(0.01)


class _Half(asyncio.Protocol):
    """One of two connections: what comes is written to the other; each waits while the other does not read."""

    other: _Half | None = None
    transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.other and self.other.transport:
            self.other.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.other and self.other.transport:
            self.other.transport.close()

    def pause_writing(self) -> None:
        if self.other and self.other.transport and not self.other.transport.is_closing():
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other and self.other.transport and not self.other.transport.is_closing():
            self.other.transport.resume_reading()


class _Client(_Half):
    """A client's connection, of which every byte is looked at before it is passed on."""

    def __init__(self, behind: int, clients: set[_Client]) -> None:
        self._behind = behind
        self._clients = clients
        self._seen = b""
        #: What came before there was a connection to write it to.
        self._early = b""
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._clients.add(self)
        self._connecting = asyncio.get_running_loop().create_task(self._connect())

    def connection_lost(self, exc: Exception | None) -> None:
        self._clients.discard(self)
        super().connection_lost(exc)

    def abort(self) -> None:
        """Close both connections at once."""
        for half in (self, self.other):
            if half and half.transport:
                half.transport.abort()

    async def _connect(self) -> None:
        assert self.transport
        try:
            _, server = await asyncio.get_running_loop().create_connection(_Half, LOOPBACK, self._behind)
        except OSError:
            self.transport.abort()
            return
        assert server.transport
        if self.transport.is_closing():
            server.transport.abort()
            return
        self.other, server.other = server, self
        server.transport.write(self._early)
        self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        # A name may come in two pieces.
        looked_at = self._seen + data
        if _BY_A_PAGE.search(looked_at):
            assert self.transport
            if self.other and self.other.transport:
                self.other.other = None
                self.other.transport.abort()
                self.other = None
            self.transport.write(_ANSWER)
            self.transport.close()
            return
        self._seen = looked_at[-_LONGEST:]
        if self.other is None:
            assert self.transport
            self._early += data
            self.transport.pause_reading()
        super().data_received(data)
