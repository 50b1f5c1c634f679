"""
Run several programs as one: started in order, each started again when it dies, stopped in order.

Each program gets a process group of its own, so that Ctrl-C reaches this process alone and nothing a program
started is left behind. Honcho and its like end everything with the first death, or end all at once.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TextIO

from stack.servers import Program, StackError

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0
#: A program that lived this long did start; its next death is a new story.
STEADY_S = 30.0
#: A program that dies so often before it was ever ready has something wrong that no restart cures.
TRIES_TO_START = 5
STOP_WITHIN_S = 9.0
#: What the last ones may still take when those before have used up all of it.
LEAST_TO_STOP_S = 0.3
#: A second Ctrl-C sooner than this is taken for the first.
AGAIN_AFTER_S = 0.5


@dataclass(frozen=True, slots=True)
class Service:
    """
    A program to keep alive, or with `once` to run until it ends well; with `may_end` it rests once it has ended well.

    It is ready when `is_ready` says so (asked over and over, outside the event loop), when a line of its
    output matches `ready_line`, or, with neither, as soon as it has started. After `ready_within_s` the wait
    ends anyway.
    """

    name: str
    program: Program
    is_ready: Callable[[], bool] | None = None
    ready_line: str | None = None
    ready_within_s: float = 30.0
    once: bool = False
    may_end: bool = False
    stop_within_s: float = 2.0


class Output:
    """Lines of several programs on one stream, each behind its program's name; in colour on a terminal."""

    COLOURS = (36, 33, 32, 35, 34, 96, 93, 92)

    def __init__(self, stream: TextIO, names: Sequence[str]) -> None:
        self.stream = stream
        self.width = max(map(len, names), default=0)
        self.colours = dict(zip(names, self.COLOURS * len(names), strict=False))
        self.in_colour = stream.isatty() and "NO_COLOR" not in os.environ
        self.is_open = True

    def line(self, name: str, text: str) -> None:
        """Write one line of the program `name`."""
        prefix = f"{name:<{self.width}} |"
        if self.in_colour:
            prefix = f"\x1b[{self.colours.get(name, 1)}m{prefix}\x1b[0m"
        self.write(f"{prefix} {text}")

    def write(self, text: str) -> None:
        """Write as it is. A reader that has gone (`| head`) costs the output, not the stack."""
        if self.is_open:
            try:
                print(text, file=self.stream, flush=True)
            except (OSError, ValueError):
                self.is_open = False


@dataclass(slots=True)
class Supervisor:
    """Keeps services alive. One event loop, one use: `start`, then `stop`."""

    services: Sequence[Service]
    environment: Mapping[str, str]
    output: Output
    name: str = "stack"
    _children: list[_Child] = field(default_factory=list)

    async def start(self) -> None:
        """Start the services in order, each when the one before is ready. Raises StackError."""
        for service in self.services:
            child = _Child(service, self)
            self._children.append(child)
            await child.start()

    async def stop(self) -> None:
        """End them, last started first, in STOP_WITHIN_S in all; by force what does not end in its time."""
        deadline = time.monotonic() + STOP_WITHIN_S
        while self._children:
            await self._children[-1].stop(max(LEAST_TO_STOP_S, deadline - time.monotonic()))
            self._children.pop()

    def kill(self) -> None:
        """End them all at once; `stop` then has nothing to wait for."""
        for child in self._children:
            child.kill()

    def process_of(self, name: str) -> int:
        """The id of the process that is this service now."""
        (process,) = (child.process for child in self._children if child.service.name == name)
        if process is None:
            raise LookupError(f"{name} has no process")
        return process.pid

    def say(self, text: str) -> None:
        self.output.line(self.name, text)


class _Child:
    """One service: its process of the moment, and the task that starts the next."""

    def __init__(self, service: Service, supervisor: Supervisor) -> None:
        self.service = service
        self.supervisor = supervisor
        self.process: asyncio.subprocess.Process | None = None
        self.ready = asyncio.Event()
        self.copying: asyncio.Task[None] | None = None
        self.keeper: asyncio.Task[None] | None = None
        self._ready_line = re.compile(service.ready_line) if service.ready_line else None

    async def start(self) -> None:
        """Return when it is ready, or has done its one job."""
        self.keeper = asyncio.create_task(self._keep())
        if self.service.once:
            await self.keeper
            return
        ready = asyncio.create_task(self._wait_until_ready())
        await asyncio.wait({self.keeper, ready}, return_when=asyncio.FIRST_COMPLETED)
        if self.keeper.done():
            ready.cancel()
            self.keeper.result()

    async def stop(self, within_s: float) -> None:
        """Ask it to end; kill it after the service's own time, or `within_s` where that is shorter."""
        if self.keeper:
            self.keeper.cancel()
            with suppress(asyncio.CancelledError, StackError):
                await self.keeper
        if not self.process:
            return
        if self.process.returncode is None:
            with suppress(ProcessLookupError):
                self.process.terminate()
            try:
                async with asyncio.timeout(min(self.service.stop_within_s, within_s)):
                    await self.process.wait()
            except TimeoutError:
                self.supervisor.say(f"{self.service.name} did not stop in time: killed")
        await self._clear()

    def kill(self) -> None:
        """End its process and all that it started, whatever they are doing."""
        if self.process:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)

    async def _keep(self) -> None:
        """Start the program, and start it again whenever it ends."""
        pause_s, deaths = FIRST_PAUSE_S, 0
        while True:
            began = time.monotonic()
            status = await self._run_once()
            if self.service.once:
                if status:
                    raise StackError(f"{self.service.name} failed ({_how(status)}); its output is above.")
                return
            if self.service.may_end and not status:
                self.supervisor.say(f"{self.service.name} has finished")
                return
            if time.monotonic() - began > STEADY_S:
                pause_s, deaths = FIRST_PAUSE_S, 0
            deaths += 1
            if deaths == TRIES_TO_START and not self.ready.is_set():
                raise StackError(f"{self.service.name} ended {deaths} times before it was ready; its output is above.")
            self.supervisor.say(f"{self.service.name} ended ({_how(status)}): starting it again in {pause_s:g} s")
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _run_once(self) -> int:
        """Start the program and return how it ended, all that it started ended too."""
        program = self.service.program
        # A pipe of our own: asyncio's would make wait() wait for every process that holds its other end
        # (Python 3.11 and 3.12, gh-119710).
        reading, writing = os.pipe()
        try:
            self.process = await asyncio.create_subprocess_exec(
                # Without this process and its stores, nothing that the others finish would be kept.
                *program.following(signal.SIGKILL),
                env={**self.supervisor.environment, **program.env},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                start_new_session=True,
            )
        finally:
            os.close(writing)
        self.copying = asyncio.create_task(self._copy(reading))
        status = await self.process.wait()
        await self._clear()
        return status

    async def _copy(self, reading: int) -> None:
        """Put the program's lines behind its name, and look for the one that says it is ready."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=2**16)
        with os.fdopen(reading, "rb", 0) as pipe:
            await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
            while line := await _read_line(reader):
                text = line.decode(errors="replace").rstrip()
                if self._ready_line and self._ready_line.search(text):
                    self.ready.set()
                self.supervisor.output.line(self.service.name, text)

    async def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self.service.ready_within_s
        while not self.ready.is_set():
            if await self._is_ready():
                self.ready.set()
            elif time.monotonic() > deadline:
                self.supervisor.say(f"{self.service.name} is slow to start: continuing without it")
                self.ready.set()
            else:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.ready.wait(), 0.05)

    async def _is_ready(self) -> bool:
        if self.process is None or (is_ready := self.service.is_ready) is None:
            return self.process is not None and self._ready_line is None
        return await asyncio.to_thread(is_ready)

    async def _clear(self) -> None:
        """Kill what is left of its process group, such as the children of a worker that was killed."""
        self.kill()
        if self.process:
            await self.process.wait()
        if self.copying:
            await asyncio.wait({self.copying}, timeout=1)


async def _read_line(reader: asyncio.StreamReader) -> bytes:
    """The next line, a part of it where it is very long, or nothing at the end."""
    try:
        return await reader.readuntil(b"\n")
    except asyncio.IncompleteReadError as end:
        return end.partial
    except asyncio.LimitOverrunError as long:
        return await reader.readexactly(long.consumed)


def _how(status: int) -> str:
    if status >= 0:
        return f"status {status}"
    with suppress(ValueError):
        return signal.Signals(-status).name
    return f"signal {-status}"


async def run(supervisor: Supervisor, announce: Callable[[], None]) -> None:
    """
    Keep the services alive until Ctrl-C or SIGTERM, then stop them.

    announce: called once, when all are ready. A second Ctrl-C kills what still runs.
    Raises StackError where one does not start, after stopping the others.
    """
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    for signal_ in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(signal_, asked.set)

    starting = asyncio.create_task(supervisor.start())
    asking = asyncio.create_task(asked.wait())
    await asyncio.wait({starting, asking}, return_when=asyncio.FIRST_COMPLETED)
    failure = starting.exception() if starting.done() else None
    if starting.done() and not failure:
        announce()
        await asking
    for task in (starting, asking):
        task.cancel()

    began = time.monotonic()
    supervisor.say("stopping")
    for signal_ in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # make and a terminal may both pass on the same Ctrl-C.
        loop.add_signal_handler(
            signal_, lambda: supervisor.kill() if time.monotonic() > began + AGAIN_AFTER_S else None
        )
    await supervisor.stop()
    if failure:
        raise failure
    supervisor.say(f"stopped in {time.monotonic() - began:.1f} s; the data stays for the next run")
