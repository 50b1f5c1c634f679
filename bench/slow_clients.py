"""
What visitors notice while others never read, never end a body and never end a head: `python -m bench.slow_clients`.

    python -m bench.slow_clients --seconds 60                 the web server of this tree
    python -m bench.slow_clients --seconds 60 --tree FOLDER   that of another one, as an older revision

All clients, the slow ones and the others, come from one address. A slow client whose connection is closed opens
another at once. Prints a table: for each kind of request of the others, how many were answered and how soon, and what
the server's processes held, before, during and after.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import resource
import select
import socket
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

from bench import processes
from bench.__main__ import local_servers
from bench.cases import ROWS
from bench.deployment import ROOT, BenchError, Deployment, stop
from bench.messages import Messages
from stack import servers
from stack.servers import LOOPBACK

#: Their export has 2.4 MB, since their ids are long.
CANS = 12_000
ID = "{:0100d}"
READERS, SENDERS, HEADS = 64, 64, 4_300
#: How long an honest visitor waits.
PATIENCE_S = 10.0
#: Requests a second of each kind.
RATES = {"health": 5.0, "GET /reports/<id>": 20.0, "POST /reports/": 5.0, "sign-in": 0.5}


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


async def visit(port: int, request: bytes, wanted: bytes) -> None:
    """Send one request over a connection of its own. Raises OSError or TimeoutError where it is not answered so."""
    async with asyncio.timeout(PATIENCE_S):
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        try:
            writer.write(request)
            answer = await reader.read()
        finally:
            writer.close()
    if answer.split(b" ", 2)[1:2] != [wanted]:
        raise OSError(f"not {wanted.decode()}: {answer[:60].decode('latin-1')!r}")


async def visits(port: int, seconds: float, token: str, user: str, password: str) -> Visits:
    """Be honest visitors of each kind for some seconds, at a steady pace whatever the server does."""
    found = Visits()
    cookie = "a" * 32
    form = urlencode({"username": user, "password": password, "csrfmiddlewaretoken": cookie, "next": "/"})

    def make(kind: str) -> tuple[bytes, bytes]:
        head = "Host: localhost\r\nConnection: close\r\n"
        match kind:
            case "health":
                return f"GET /health/live HTTP/1.1\r\n{head}\r\n".encode(), b"200"
            case "GET /reports/<id>":
                return f"GET /reports/{ID.format(random.randrange(CANS))} HTTP/1.1\r\n{head}\r\n".encode(), b"200"
            case "POST /reports/":
                body = json.dumps({"can_id": ID.format(random.randrange(CANS)), "level": "7"})
                head += f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
                return f"POST /reports/ HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n{body}".encode(), b"202"
            case _:
                head += f"Cookie: csrftoken={cookie}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                return f"POST /login/ HTTP/1.1\r\n{head}Content-Length: {len(form)}\r\n\r\n{form}".encode(), b"302"

    async def one(kind: str) -> None:
        started = time.monotonic()
        try:
            await visit(port, *make(kind))
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


# -- the server ------------------------------------------------------------------------------------------


@contextmanager
def serving(tree: Path, port: int, environ: dict[str, str], log: Path) -> Iterator[int]:
    """Start the web server of a tree with one process, and yield its process id."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "deploy/web.py", "--port", str(port)], cwd=tree, env=environ, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 30
        while not servers.answers(f"http://{LOOPBACK}:{port}/reports/1"):
            if process.poll() is not None or time.monotonic() > deadline:
                raise BenchError(f"the web server did not start: {log.read_text()[-500:]}")
            time.sleep(0.1)
        yield process.pid
    finally:
        stop(process, within_s=8)


def held(pid: int) -> tuple[float, int]:
    """Return the resident megabytes and the open files of a server and its children."""
    memory, files = 0.0, 0
    for each in processes.tree(pid):
        with suppress(OSError):
            pages = int(Path(f"/proc/{each}/statm").read_text().split()[1])
            memory += pages * resource.getpagesize() / 1e6
            files += len(os.listdir(f"/proc/{each}/fd"))
    return memory, files


async def watch(pid: int, most: list[float]) -> None:
    while True:
        memory, files = held(pid)
        most[:] = [max(most[0], memory), max(most[1], files)]
        await asyncio.sleep(0.5)


async def measure(pid: int, port: int, seconds: float, secrets: dict[str, str]) -> dict[str, object]:
    """Be visitors before, during and after the attack; return all figures."""
    phases: dict[str, object] = {}

    async def phase(name: str, lasts_s: float) -> None:
        most = [0.0, 0.0]
        watching = asyncio.create_task(watch(pid, most))
        cpu = processes.cpu_s(processes.tree(pid))
        found = await visits(port, lasts_s, secrets["token"], "operator", secrets["operator"])
        watching.cancel()
        cpu = processes.cpu_s(processes.tree(pid)) - cpu
        memory, files = held(pid)
        phases[name] = {
            "most_mb": round(most[0]), "most_files": int(most[1]), "mb": round(memory), "files": files,
            "cpu_s": round(cpu, 1),
            "requests": {kind: _figures(found, kind) for kind in RATES},
        }  # fmt: skip
        print(f"{name}: done", file=sys.stderr)

    await phase("before", 15)
    slow = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.slow_clients", "--attack", str(port), "--seconds", str(seconds), "--token",
        secrets["token"], cwd=ROOT, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        await phase("during", seconds)
        said, _ = await slow.communicate()
    finally:
        with suppress(ProcessLookupError):
            slow.kill()
    phases["attack"] = json.loads(said)
    await asyncio.sleep(5)
    await phase("after", 15)
    return phases


def _figures(found: Visits, kind: str) -> dict[str, object]:
    took = sorted(found.took_s[kind])
    return {
        "asked": len(took),
        "failed": len(found.failed[kind]),
        "p50_s": round(statistics.median(took), 3),
        "p99_s": round(took[min(len(took) - 1, int(len(took) * 0.99))], 3),
        "errors": sorted(set(found.failed[kind]))[:3],
    }


def table(figures: dict[str, object]) -> str:
    """Return the figures for people."""
    lines = [f"{'':20} {'':8} {'asked':>6} {'failed':>6} {'p50 s':>8} {'p99 s':>8}"]
    for name in ("before", "during", "after"):
        phase: dict[str, object] = figures[name]  # type: ignore[assignment]
        requests: dict[str, dict[str, object]] = phase["requests"]  # type: ignore[assignment]
        lines += [
            f"{kind:20} {name:8} {each['asked']:>6} {each['failed']:>6} {each['p50_s']:>8} {each['p99_s']:>8}"
            for kind, each in requests.items()
        ]
        lines.append(
            f"{'server':20} {name:8} at most {phase['most_mb']} MB and {phase['most_files']} files, at the end "
            f"{phase['mb']} MB and {phase['files']} files; {phase['cpu_s']} s of CPU"
        )
    return "\n".join([*lines, f"attack: {figures['attack']}"])


def fill(deployment: Deployment, some: int = 1000) -> None:
    """Store a report of each can, some at a time: on a busy machine a request more could take too long."""
    at = datetime.now(UTC).isoformat()
    for first in range(0, CANS, some):
        bodies = [
            json.dumps({"can_id": ID.format(first + number), "level": "12.345678901", "measured_at": at})
            for number in range(some)
        ]
        for _ in range(5):
            with suppress(BenchError):
                deployment.script("bench.prepare", iter(bodies), ROWS["worker"].env)
                break
        else:
            raise BenchError("the cans could not be stored")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="for how long the slow clients are there")
    parser.add_argument("--tree", type=Path, default=ROOT, help="whose deploy/web.py is measured")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--attack", type=int, metavar="PORT", help=argparse.SUPPRESS)
    parser.add_argument("--token", default="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if given.attack:
        attack(given.attack, given.seconds, given.token)
        return 0
    with (
        local_servers("embedded") as both,
        Deployment.fresh(*both, ROWS["worker"], Messages.until_now(1).before()) as deployment,
    ):
        fill(deployment)
        environ = deployment.environ(TRASH_DATA=str(deployment.scratch), TRASH_READ_RATE="", TRASH_POST_RATE="",
                                   TRASH_LOGIN_RATE="")  # fmt: skip
        subprocess.run([sys.executable, "-m", "stack.prepare"], cwd=ROOT, env=environ, check=True, stdout=sys.stderr)
        lines = (deployment.scratch / "credentials").read_text().splitlines()
        secrets = dict(line.split("=", 1) for line in lines if "=" in line)
        # The soft limit that a shell gives: the server raises its own.
        port, log = servers.free_port(), deployment.scratch / "web.log"
        with serving(given.tree.absolute(), port, environ, log) as pid:
            figures = asyncio.run(measure(pid, port, given.seconds, secrets))
        print(table(figures))
        if written := log.read_text(errors="replace").strip():
            print(f"The server wrote {len(written.splitlines())} lines; the last: {written.splitlines()[-1][:200]}")
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
