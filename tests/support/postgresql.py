"""
A PostgreSQL of one's own, where Debian's package `postgresql` is installed: for tests that need the real thing.

    python -m tests.support.postgresql COMMAND...    run a command whose DATABASE_URL leads to an empty one
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from stack.servers import LOOPBACK, free_port
from tests.support.servers import eventually


class PostgreSQL:
    """A server on a free port of 127.0.0.1, its data in a folder of its own; `url` is DATABASE_URL of its database."""

    def __init__(self, programs: Path, directory: Path, user: str | None, options: Sequence[str]) -> None:
        self._programs, self._directory, self._user, self._options = programs, directory, user, options
        self._port = free_port()
        self.url = f"postgres://trash@{LOOPBACK}:{self._port}/postgres"
        self._run(
            "initdb", "--no-sync", "--auth=trust", "--username=trash", "--encoding=UTF8", "-D", directory / "data"
        )

    def _run(self, name: str, *arguments: str | Path) -> None:
        command = [self._programs / name, *arguments]
        subprocess.run(command, user=self._user, cwd=self._directory, check=True, capture_output=True)

    def start(self) -> None:
        """Start it, or start it again after a stop, and return when it answers."""
        options = [f"listen_addresses={LOOPBACK}", f"port={self._port}", f"unix_socket_directories={self._directory}"]
        settings = [word for option in (*options, "fsync=off", *self._options) for word in ("-c", option)]
        with (self._directory / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [self._programs / "postgres", "-D", self._directory / "data", *settings],
                user=self._user, cwd=self._directory, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
        eventually(lambda: self._server.poll() is not None or self._answers(), 30)
        assert self._server.poll() is None, (self._directory / "log").read_text()

    def stop(self) -> None:
        """End it at once, and all connections with it."""
        if self._server.poll() is None:
            self._server.send_signal(signal.SIGINT)
        self._server.wait(30)

    def kill(self) -> None:
        """Kill -9 all of its processes at once."""
        os.killpg(self._server.pid, signal.SIGKILL)
        self._server.wait(30)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


def _programs() -> list[Path]:
    return sorted(Path("/usr/lib/postgresql").glob("*/bin"))


def is_installed() -> bool:
    """Whether this machine has a PostgreSQL."""
    return bool(_programs())


@contextmanager
def postgresql(*options: str) -> Iterator[PostgreSQL]:
    """Start a server with an empty database; options: as "max_connections=20". Skips where PostgreSQL is missing."""
    found = _programs()
    if not found:
        pytest.skip("needs PostgreSQL: apt-get install postgresql")
    # It refuses to run as root, as which the tests of some run.
    user = "nobody" if os.geteuid() == 0 else None
    # Not below pytest's folder, which nobody but its owner may enter.
    directory = Path(tempfile.mkdtemp(prefix="postgresql-"))
    if user:
        shutil.chown(directory, user)
    server = PostgreSQL(found[-1], directory, user, options)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    with postgresql() as database:
        sys.exit(subprocess.run(sys.argv[1:], env={**os.environ, "DATABASE_URL": database.url}, check=False).returncode)
