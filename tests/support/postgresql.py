"""A PostgreSQL of one's own, where Debian's package `postgresql` is installed: for tests that need the real thing."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from stack.servers import LOOPBACK, free_port
from tests.support.servers import eventually


@contextmanager
def postgresql() -> Iterator[str]:
    """Start a server with an empty database on a free port of 127.0.0.1; yield the database's DATABASE_URL."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not found:
        pytest.skip("needs PostgreSQL: apt-get install postgresql")
    programs = found[-1]
    # It refuses to run as root, as which the tests of some run.
    user = "nobody" if os.geteuid() == 0 else None
    # Not below pytest's folder, which nobody but its owner may enter.
    directory = Path(tempfile.mkdtemp(prefix="postgresql-"))
    if user:
        shutil.chown(directory, user)
    data, port = directory / "data", free_port()
    subprocess.run(
        [programs / "initdb", "--no-sync", "--auth=trust", "--username=trash", "--encoding=UTF8", f"--pgdata={data}"],
        user=user, cwd=directory, check=True, capture_output=True,
    )  # fmt: skip
    options = (f"listen_addresses={LOOPBACK}", f"port={port}", f"unix_socket_directories={directory}", "fsync=off")
    with (directory / "log").open("wb") as log:
        server = subprocess.Popen(
            [programs / "postgres", "-D", data, *(word for option in options for word in ("-c", option))],
            user=user, cwd=directory, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    url = f"postgres://trash@{LOOPBACK}:{port}/postgres"
    try:
        eventually(lambda: server.poll() is not None or _answers(url), 30)
        assert server.poll() is None, (directory / "log").read_text()
        yield url
    finally:
        # The fast end of PostgreSQL: it waits for nobody.
        server.send_signal(2)
        server.wait(30)
        shutil.rmtree(directory, ignore_errors=True)


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True
