"""Threads end where nobody needs them, and leave no file of the database open."""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue

import pytest
from django.db import connections

from tests.support.servers import eventually
from trashsite.server import threads

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="open files are counted in /proc")


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def open_files(database: Path) -> int:
    found = 0
    for descriptor in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            found += os.readlink(f"/proc/self/fd/{descriptor}").startswith(str(database))
    return found


@pytest.mark.django_db
@pytest.mark.usefixtures("no_collector")
def test_the_database_of_a_thread_is_closed_with_it(tmp_path: Path) -> None:
    if connections["default"].vendor != "sqlite":
        pytest.skip("a database of SQLite is an open file; one of PostgreSQL is not")
    database = tmp_path / "db.sqlite3"
    opened: list[int] = []

    def work() -> None:
        connection = connections.create_connection("default")
        connection.settings_dict = {**connection.settings_dict, "ENGINE": "", "NAME": str(database), "OPTIONS": {}}
        connection.connect()
        # As Django's own do, it refers to itself.
        connection.myself = connection  # type: ignore[attr-defined]
        opened.append(open_files(database))

    for _ in range(2):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        threads.close_ended()
        assert open_files(database) == 0
    assert len(opened) == 2 and all(opened)


def test_threads_end_when_fewer_were_needed_for_a_while_each_after_its_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "SPARE_S", 0.0)
    pool, may_end = threads.Pool(3, "some"), threading.Event()
    used: SimpleQueue[threading.Thread] = SimpleQueue()

    def work() -> None:
        used.put(threading.current_thread())
        assert may_end.wait(10)

    pool.submit(work)
    pool.submit(work)
    rush = {used.get(timeout=10), used.get(timeout=10)}
    # Two are needed: both stay.
    pool.end_spare()
    may_end.set()
    eventually(lambda: not pool._tasks)
    # Two were, within this while.
    pool.end_spare()
    assert all(each.is_alive() for each in rush)
    # Within the next, none is.
    pool.end_spare()
    for each in rush:
        each.join(10)
    assert not any(each.is_alive() for each in rush)
    pool.submit(work)
    assert used.get(timeout=10).is_alive()
