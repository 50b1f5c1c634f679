"""`make run` as a person meets it: one start, some crashes, one Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack.box import box
from stack.run import check_simulate
from stack.servers import StackError, free_port, is_free
from stack.settings import ROOT, Settings, exports


class Run:
    """A `make run` without the installing, on ports and data of its own."""

    def __init__(self, data: Path, **variables: str) -> None:
        names = ("PORT", "SQS_PORT", "DYNAMODB_PORT", "WORKER_METRICS_PORT", "WEB_METRICS_PORT")
        self.ports = {name: free_port() for name in names}
        self.data = data
        self.lines: list[str] = []
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        ports = {name: str(port) for name, port in self.ports.items()}
        # A simulator that goes on until the stack is stopped.
        usual = {"TRASH_DATA": str(data), "SIMULATE": "--rate 1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "stack.run"],
            cwd=ROOT,
            env=environment | ports | usual | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line.rstrip())

    def until(self, pattern: str, *, times: int = 1, within_s: float = 60) -> None:
        """Wait for lines that match."""
        deadline = time.monotonic() + within_s
        while sum(bool(re.search(pattern, line)) for line in self.lines) < times:
            assert self.process.poll() is None, self.lines
            assert time.monotonic() < deadline, self.lines
            time.sleep(0.02)

    def end(self) -> int:
        """Ctrl-C; returns its status, all of its output read."""
        self.process.send_signal(signal.SIGINT)
        return self.status_at_end()

    def status_at_end(self) -> int:
        """Let it end by itself; returns its status, all of its output read."""
        try:
            return self.process.wait(15)
        finally:
            self.process.kill()
            self.process.wait()
            self._reader.join()
            assert self.process.stdout
            self.process.stdout.close()

    def child(self, words: str) -> int:
        """The process of this run whose command line holds `words`."""
        (pid,) = subprocess.run(
            ["pgrep", "-P", str(self.process.pid), "-f", words], capture_output=True, text=True, check=True
        ).stdout.split()
        return int(pid)

    def status_of(self, port: str, headers: dict[str, str]) -> int:
        """Send to a store's port, and return the status of its answer."""
        url = f"http://127.0.0.1:{self.ports[port]}/"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, b"{}", headers), timeout=10) as answer:
                status: int = answer.status
                return status
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def status(self, path: str) -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports['PORT']}{path}", timeout=10) as answer:
                status: int = answer.status
                return status
        except urllib.error.HTTPError as error:
            with error:
                return error.code


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Run]:
    data = tmp_path / "data"
    (data / "sqs").mkdir(parents=True)
    data.chmod(0o755)
    # A secret of the site, in the environment of whoever starts it.
    run = Run(data, DJANGO_SECRET_KEY="only the site may have this key", DATABASE_URL=f"sqlite:///{data}/own.sqlite3")
    yield run
    if run.process.poll() is None:
        run.end()


def test_the_stack_keeps_its_secrets_outlives_crashes_and_leaves_nothing_behind(stack: Run) -> None:
    stack.until("└─")
    assert oct((stack.data / "credentials").stat().st_mode & 0o777) == "0o600"
    assert stack.status("/health/ready") == 200
    nobody_else_and_no_page_reads_what_it_keeps(stack)

    stores = [stack.child(str(stack.data / name)) for name in ("sqs", "dynamodb")]
    os.kill(stack.child("celery"), signal.SIGKILL)
    os.kill(stack.child("deploy/web.py"), signal.SIGKILL)
    stack.until(r"worker ended \(SIGKILL\): starting it again")
    stack.until(r"web ended \(SIGKILL\): starting it again")
    stack.until(r"worker +\| .*ready", times=2)
    assert [stack.child(str(stack.data / name)) for name in ("sqs", "dynamodb")] == stores

    second = Run(stack.data, SIMULATE="off")
    assert second.status_at_end() == 1
    assert second.lines == [
        f"make run: A stack runs on {stack.data} already (process {stack.process.pid}): use that one, "
        "or stop it with Ctrl-C first."
    ]

    began = time.monotonic()
    assert stack.end() == 0
    # The supervisor takes up to STOP_WITHIN_S, and then reads what the last programs wrote.
    assert time.monotonic() - began < 14
    assert not subprocess.run(["pgrep", "-f", str(stack.data)], capture_output=True, check=False).stdout
    assert all(is_free(port) for port in stack.ports.values())


def nobody_else_and_no_page_reads_what_it_keeps(stack: Run) -> None:
    open_to_others = [path for path in (stack.data, *stack.data.rglob("*")) if path.stat().st_mode & 0o077]
    # What was there before lies in a directory that is closed now.
    assert open_to_others == [stack.data / "sqs"]
    for name in ("SQS_PORT", "DYNAMODB_PORT"):
        assert stack.status_of(name, {}) != 403
        assert stack.status_of(name, {"Origin": "https://example.org"}) == 403
    for words, has_secrets in (("celery", False), ("manage.py simulate", False), ("deploy/web.py", True)):
        environment = Path(f"/proc/{stack.child(words)}/environ").read_text()
        assert ("only the site may have this key" in environment) == has_secrets
        assert ("own.sqlite3" in environment) == has_secrets


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has died")
def test_a_killed_stack_takes_its_programs_with_it(tmp_path: Path) -> None:
    stack = Run(tmp_path / "data", SIMULATE="off")
    try:
        stack.until(r"dynamodb +\|")
        children = subprocess.run(
            ["pgrep", "-P", str(stack.process.pid)], capture_output=True, text=True, check=True
        ).stdout.split()
        assert len(children) >= 2
        stack.process.kill()
    finally:
        stack.status_at_end()
    deadline = time.monotonic() + 5
    while not all(is_free(port) for port in stack.ports.values()):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_taken_port_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        run = Run(tmp_path, PORT=str(port), SIMULATE="off")
        assert run.status_at_end() == 1
    (line,) = run.lines
    assert re.fullmatch(
        f"make run: Port {port} is taken by another program. Stop that, or choose another port: "
        r"make run PORT=\d+",
        line,
    )


def test_wrong_arguments_of_the_simulator_are_one_line_before_anything_starts(tmp_path: Path) -> None:
    run = Run(tmp_path / "data", SIMULATE="--rate 0")
    assert run.status_at_end() == 1
    (line,) = run.lines
    assert line.startswith("make run: SIMULATE is '--rate 0'; it must be arguments of `manage.py simulate`, or off. ")
    assert line.endswith("argument --rate: 0 is not a number above 0, at most 100000")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("simulate", "says"),
    [
        ("--cans '5", "No closing quotation"),
        ("none", "unrecognized arguments: none"),
        ("--replay /x", "cannot be read"),
    ],
)
def test_whatever_is_wrong_with_the_simulators_arguments_is_named(tmp_path: Path, simulate: str, says: str) -> None:
    with pytest.raises(StackError, match=says):
        check_simulate(settings(tmp_path, SIMULATE=simulate))


def settings(tmp_path: Path, **environ: str) -> Settings:
    return Settings.from_environment({"TRASH_DATA": str(tmp_path), **environ})


def test_the_box_names_people_token_and_commands(tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text("viewer=v1\noperator=o1\nadmin=a1\ntoken=trash_t1\n")
    text = box(settings(tmp_path, PORT="8123"))
    for words in (
        "http://localhost:8123/",
        "fauxqs for SQS, dynoxide for DynamoDB (STACK=embedded)",
        "viewer    v1",
        "operator  o1",
        "admin     a1",
        "Bearer trash_t1",
    ):
        assert words in text
    assert "│" not in text, "a line that is copied holds no frame"


def test_the_exports_are_a_shells_and_hide_an_account_of_ones_own(tmp_path: Path) -> None:
    shell = exports(settings(tmp_path, SQS_PORT="1234")) + "\nenv"
    done = subprocess.run(
        ["sh", "-c", shell],
        env={"PATH": os.environ["PATH"], "AWS_PROFILE": "mine", "AWS_SESSION_TOKEN": "mine"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "mine" not in done.stdout
    assert "AWS_ENDPOINT_URL_SQS=http://127.0.0.1:1234" in done.stdout.splitlines()
    # `alerts --test` tells the receiver of the demonstration, which is on this machine.
    assert {"TRASH_LOCAL=1", "TRASH_PRIVATE_WEBHOOKS=on"} <= set(done.stdout.splitlines())
    assert f"PATH={ROOT / '.venv/bin'}:{os.environ['PATH']}:{ROOT / 'stack/.aws/bin'}" in done.stdout.splitlines()
