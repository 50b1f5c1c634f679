"""
Clients that never read, never end a body and never end a head, all at once; and honest visitors meanwhile.

    python -m tests.support.slow_clients PORT SECONDS TOKEN      be all the slow ones, in a process of their own

All of them come from one address. A slow client whose connection is closed opens another at once.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import resource
import select
import socket
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

from stack.servers import LOOPBACK

READERS, SENDERS, HEADS = 64, 64, 4_300
#: Requests a second of each kind.
RATES = {"health": 5.0, "GET /reports/<id>": 20.0, "POST /reports/": 5.0, "sign-in": 0.5}


@dataclass(frozen=True, slots=True)
class Target:
    """
    A web server, and what its visitors know.

    secrets: the token, and the password of the user operator. patience_s: how long an honest visitor waits.
    """

    pid: int
    port: int
    can_ids: Sequence[str]
    secrets: dict[str, str]
    patience_s: float = 10.0


# -- the slow ones ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Slow:
    """One kind of slow clients: what each sends at once, and, where not empty, again every five seconds."""

    count: int
    said: bytes
    more: bytes = b""


def attack(port: int, seconds: float, token: str) -> None:
    """Be all slow clients for some seconds, and open each connection again that the server closes."""
    bearer = f"Authorization: Bearer {token}\r\n"
    head = "Host: localhost\r\nContent-Type: application/json\r\n"
    body = "Content-Length: 5000\r\n\r\n["
    form = (
        "Host: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nCookie: csrftoken=" + "a" * 32 + "\r\n"
    )
    kinds = [
        Slow(READERS, f"GET /reports/?format=csv HTTP/1.1\r\n{head}{bearer}\r\n".encode()),
        Slow(SENDERS - 2 * (SENDERS // 3), f"POST /reports/ HTTP/1.1\r\n{head}{bearer}{body}".encode(), b"1"),
        Slow(SENDERS // 3, f"GET /reports/1 HTTP/1.1\r\n{head}{body}".encode(), b"1"),
        Slow(SENDERS // 3, f"POST /login/ HTTP/1.1\r\n{form}{body}".encode(), b"1"),
        Slow(HEADS, b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", b"1"),
    ]
    clients = [kind for kind in kinds for _ in range(kind.count)]
    opened: dict[int, socket.socket] = {}
    belongs: dict[int, Slow] = {}
    watched = select.poll()
    connections, until, said = 0, time.monotonic() + seconds, time.monotonic()
    missing = list(clients)
    while time.monotonic() < until:
        for kind in missing[:]:
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.settimeout(0.2)
            try:
                client.connect((LOOPBACK, port))
                client.sendall(kind.said)
            except OSError:
                # The queue of those who want to connect is full.
                client.close()
                break
            missing.remove(kind)
            client.setblocking(False)
            opened[client.fileno()], belongs[client.fileno()] = client, kind
            watched.register(client.fileno(), select.POLLRDHUP)
            connections += 1
        if time.monotonic() - said > 5:
            said = time.monotonic()
            for descriptor, client in opened.items():
                with suppress(OSError):
                    client.send(belongs[descriptor].more)
        for descriptor, _ in watched.poll(200):
            watched.unregister(descriptor)
            opened.pop(descriptor).close()
            missing.append(belongs.pop(descriptor))
    print(json.dumps({"slow connections opened": connections, "open at the end": len(opened)}))


# -- the others ------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Visits:
    """How long each kind of request took, or that it failed, in one phase."""

    took_s: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    failed: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


async def visit(target: Target, request: bytes, wanted: bytes) -> None:
    """Send one request over a connection of its own. Raises OSError or TimeoutError where it is not answered so."""
    async with asyncio.timeout(target.patience_s):
        reader, writer = await asyncio.open_connection(LOOPBACK, target.port)
        try:
            writer.write(request)
            answer = await reader.read()
        finally:
            writer.close()
    if answer.split(b" ", 2)[1:2] != [wanted]:
        raise OSError(f"not {wanted.decode()}: {answer[:60].decode('latin-1')!r}")


async def visits(target: Target, seconds: float) -> Visits:
    """Be honest visitors of each kind for some seconds, at a steady pace whatever the server does."""
    found = Visits()
    cookie = "a" * 32
    form = urlencode(
        {
            "username": "operator", "password": target.secrets["operator"], "csrfmiddlewaretoken": cookie, "next": "/",
        }
    )  # fmt: skip

    def make(kind: str) -> tuple[bytes, bytes]:
        head = "Host: localhost\r\nConnection: close\r\n"
        match kind:
            case "health":
                return f"GET /health/live HTTP/1.1\r\n{head}\r\n".encode(), b"200"
            case "GET /reports/<id>":
                return f"GET /reports/{random.choice(target.can_ids)} HTTP/1.1\r\n{head}\r\n".encode(), b"200"
            case "POST /reports/":
                body = json.dumps({"can_id": random.choice(target.can_ids), "level": "7"})
                head += f"Authorization: Bearer {target.secrets['token']}\r\nContent-Type: application/json\r\n"
                return f"POST /reports/ HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n{body}".encode(), b"202"
            case _:
                head += f"Cookie: csrftoken={cookie}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                return f"POST /login/ HTTP/1.1\r\n{head}Content-Length: {len(form)}\r\n\r\n{form}".encode(), b"302"

    async def one(kind: str) -> None:
        started = time.monotonic()
        try:
            await visit(target, *make(kind))
        except (OSError, TimeoutError) as error:
            found.failed[kind].append(str(error) or "no answer")
        found.took_s[kind].append(time.monotonic() - started)

    async def steadily(kind: str, rate: float) -> None:
        until = time.monotonic() + seconds
        async with asyncio.TaskGroup() as group:
            while time.monotonic() < until:
                group.create_task(one(kind))
                await asyncio.sleep(1 / rate)

    async with asyncio.TaskGroup() as group:
        for kind, rate in RATES.items():
            group.create_task(steadily(kind, rate))
    return found


# -- what it costs the server ----------------------------------------------------------------------------


@dataclass(slots=True)
class Phase:
    """
    What visitors and server saw for some seconds.

    mb, files: resident megabytes and open files of the server's processes at the end; most_mb, most_files: at most.
    """

    visits: Visits
    mb: float
    files: int
    most_mb: float
    most_files: int
    cpu_s: float

    def figures(self) -> dict[str, object]:
        """Return it as JSON can carry it."""
        return {
            "most_mb": round(self.most_mb), "most_files": self.most_files, "mb": round(self.mb), "files": self.files,
            "cpu_s": round(self.cpu_s, 1),
            "requests": {kind: _figures(self.visits, kind) for kind in RATES},
        }  # fmt: skip


def tree(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    pids = [pid]
    for each in pids:
        with suppress(OSError):
            pids += map(int, Path(f"/proc/{each}/task/{each}/children").read_text().split())
    return pids


def held(pid: int) -> tuple[float, int]:
    """Return the resident megabytes and the open files of a server and its children."""
    memory, files = 0.0, 0
    for each in tree(pid):
        with suppress(OSError):
            pages = int(Path(f"/proc/{each}/statm").read_text().split()[1])
            memory += pages * resource.getpagesize() / 1e6
            files += len(os.listdir(f"/proc/{each}/fd"))
    return memory, files


def cpu_s(pid: int) -> float:
    """Return the CPU time that a server and its children have used."""
    used = 0.0
    for each in tree(pid):
        with suppress(OSError):
            # Source: Linux, clock_getcpuclockid(3): the CPU clock of a process, all its threads counted.
            used += time.clock_gettime((~each << 3) | 2)
    return used


async def phase(target: Target, seconds: float) -> Phase:
    """Be honest visitors for some seconds, and look at the server."""
    most = [0.0, 0.0]

    async def watch() -> None:
        while True:
            most[:] = map(max, most, held(target.pid))
            await asyncio.sleep(0.5)

    watching = asyncio.create_task(watch())
    cpu = cpu_s(target.pid)
    found = await visits(target, seconds)
    watching.cancel()
    return Phase(found, *held(target.pid), most[0], int(most[1]), cpu_s(target.pid) - cpu)


async def attacked(target: Target, seconds: float) -> tuple[Phase, dict[str, int]]:
    """Be honest visitors while all slow clients are there; return also how many connections these opened."""
    slow = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.slow_clients", str(target.port), str(seconds), target.secrets["token"],
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        during = await phase(target, seconds)
        told, _ = await slow.communicate()
    finally:
        with suppress(ProcessLookupError):
            slow.kill()
    return during, json.loads(told)


def credentials(data: Path) -> dict[str, str]:
    """Return the secrets that `stack.prepare` has left in a folder."""
    lines = (data / "credentials").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def _figures(found: Visits, kind: str) -> dict[str, object]:
    took = sorted(found.took_s[kind])
    return {
        "asked": len(took),
        "failed": len(found.failed[kind]),
        "p50_s": round(statistics.median(took), 3),
        "p99_s": round(took[min(len(took) - 1, int(len(took) * 0.99))], 3),
        "errors": sorted(set(found.failed[kind]))[:3],
    }


if __name__ == "__main__":
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
    attack(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3])
