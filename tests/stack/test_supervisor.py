"""The runner's promises, on small programs of the test's own."""

from __future__ import annotations

import asyncio
import io
import os
import re
import signal
import sys
import time
from collections.abc import Awaitable, Callable

import pytest

from stack.servers import Program, StackError
from stack.supervisor import Output, Service, Supervisor

#: A program that says it is there, and ends when it is asked to.
LIVES = "import signal, sys; signal.signal(15, lambda *_: sys.exit(print('goodbye')));print('ready'); signal.pause()"
#: It leaves a child that ignores the request to end.
LEAVES_A_CHILD = (
    "import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', "
    "'import signal; signal.signal(15, signal.SIG_IGN); signal.pause()']);"
    "print('child', child.pid); " + LIVES
)


def service(name: str, code: str, **options: object) -> Service:
    return Service(name, Program([sys.executable, "-u", "-c", code]), **options)  # type: ignore[arg-type]


class Stack:
    """A supervisor whose output can be read while it runs."""

    def __init__(self, *services: Service) -> None:
        self.stream = io.StringIO()
        output = Output(self.stream, [each.name for each in services])
        self.supervisor = Supervisor(services, dict(os.environ), output)

    @property
    def lines(self) -> list[str]:
        """What it printed, with single spaces."""
        return [re.sub(" +", " ", line) for line in self.stream.getvalue().splitlines()]

    async def until(self, line: str, times: int = 1) -> None:
        deadline = time.monotonic() + 10
        while sum(bool(re.fullmatch(line, each)) for each in self.lines) < times:
            assert time.monotonic() < deadline, f"no line {line!r} in {self.lines}"
            await asyncio.sleep(0.01)

    def run(self, story: Callable[[], Awaitable[None]]) -> None:
        """Start all, live through `story`, stop all."""

        async def life() -> None:
            try:
                await self.supervisor.start()
                await story()
            finally:
                await self.supervisor.stop()

        asyncio.run(life())


async def nothing() -> None:
    """A story in which nothing happens."""


def ends(pid: int) -> bool:
    """Whether the process is gone, or goes within a moment: a killed one ends when it is its turn."""
    deadline = time.monotonic() + 2
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not is_alive(pid)


def is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_each_starts_when_the_one_before_is_ready_and_they_stop_in_reverse() -> None:
    slow = "import time; time.sleep(0.3); " + LIVES
    stack = Stack(
        service("store", slow, ready_line="ready"),
        service("once", "print('made it')", once=True),
        service("worker", LIVES, ready_line="ready"),
    )
    stack.run(nothing)
    assert stack.lines == [
        "store | ready",
        "once | made it",
        "worker | ready",
        "worker | goodbye",
        "store | goodbye",
    ]


def test_one_that_dies_starts_again_alone_and_a_line_says_so() -> None:
    stack = Stack(service("store", LIVES, ready_line="ready"), service("worker", LIVES, ready_line="ready"))

    async def kill_the_worker() -> None:
        worker = stack.supervisor.process_of("worker")
        os.kill(worker, signal.SIGKILL)
        await stack.until(r"stack \| worker ended \(SIGKILL\): starting it again in 0.5 s")
        await stack.until(r"worker \| ready", times=2)
        assert stack.supervisor.process_of("worker") != worker

    stack.run(kill_the_worker)
    assert stack.lines.count("store | ready") == 1


def test_one_that_has_done_its_work_rests_and_one_that_failed_starts_again() -> None:
    stack = Stack(service("simulator", "print('sent')", may_end=True), service("worker", "exit(3)", may_end=True))

    async def wait() -> None:
        await stack.until(r"stack \| simulator has finished")
        await stack.until(r"stack \| worker ended \(status 3\): starting it again .*", times=2)

    stack.run(wait)
    assert stack.lines.count("simulator | sent") == 1


def test_nothing_that_a_program_started_is_left_behind() -> None:
    stack = Stack(service("worker", LEAVES_A_CHILD, ready_line="ready"))
    stack.run(nothing)
    (child,) = (int(line.rsplit(" ", 1)[1]) for line in stack.lines if "child" in line)
    assert ends(child)


def test_children_of_a_killed_program_end_before_it_starts_again() -> None:
    stack = Stack(service("worker", LEAVES_A_CHILD, ready_line="ready"))

    async def kill_it() -> None:
        os.kill(stack.supervisor.process_of("worker"), signal.SIGKILL)
        await stack.until(r"stack \| worker ended .*")
        (child,) = (int(line.rsplit(" ", 1)[1]) for line in stack.lines if "child" in line)
        assert ends(child)

    stack.run(kill_it)


def test_one_that_does_not_stop_in_time_is_killed() -> None:
    deaf = "import signal; signal.signal(15, signal.SIG_IGN); print('ready'); signal.pause()"
    stack = Stack(service("worker", deaf, ready_line="ready", stop_within_s=0.2))
    stack.run(nothing)
    assert stack.lines[-1] == "stack | worker did not stop in time: killed"


def test_a_preparation_that_fails_stops_the_start() -> None:
    stack = Stack(service("provision", "raise SystemExit('no such queue')", once=True), service("web", LIVES))
    with pytest.raises(StackError, match="provision failed"):
        stack.run(nothing)
    assert stack.lines == ["provision | no such queue"]


def test_one_that_never_gets_ready_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stack.supervisor.FIRST_PAUSE_S", 0.01)
    stack = Stack(service("web", "raise SystemExit(3)", ready_line="ready"))
    with pytest.raises(StackError, match="web ended 5 times before it was ready"):
        stack.run(nothing)


def test_a_very_long_line_is_passed_on_in_parts() -> None:
    stack = Stack(service("worker", "print('x' * 200_000)", once=True))
    stack.run(nothing)
    assert sum(line.count("x") for line in stack.lines) == 200_000
