"""
Each hook of granian that trashsite/server and deploy/web.py lean on, by name.

A test that fails here after an upgrade says which ground has moved; read trashsite/server before you change the test.
"""

from __future__ import annotations

import asyncio
import inspect
from functools import partial
from pathlib import Path
from typing import Any

from granian import Granian, _granian
from granian._granian import CallbackScheduler
from granian.server import common, mp


def parameters(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


def source(something: Any) -> str:
    return inspect.getsource(something)


def test_an_asgi_worker_makes_its_scheduler_by_a_name_of_its_module() -> None:
    assert "scheduler = _new_cbscheduler(loop, wcallback, impl_asyncio=" in source(mp)
    assert parameters(mp._new_cbscheduler) == ["loop", "cb", "impl_asyncio"]  # type: ignore[attr-defined]


def test_workers_of_both_kinds_take_the_same_arguments() -> None:
    # deploy/web.py configures WSGI, whose number of threads granian lets choose, and starts workers of ASGI.
    assert parameters(Granian._spawn_asgi_worker) == parameters(Granian._spawn_wsgi_worker)
    assert parameters(Granian._spawn_asgi_worker)[0] == "worker_id"


def test_a_scheduler_is_told_what_to_call_with_each_request() -> None:
    class Scheduler(CallbackScheduler):
        def __init__(self, *_: Any) -> None:
            super().__init__()
            self._schedule_fn = print

    loop = asyncio.new_event_loop()
    assert Scheduler(loop, print, None, partial(print), partial(print))
    loop.close()


def test_its_allocator_is_told_by_a_variable_what_to_give_back() -> None:
    # deploy/web.py sets it before the library is loaded.
    assert b"_RJEM_MALLOC_CONF" in Path(_granian.__file__).read_bytes()


def test_a_second_end_within_seconds_is_known_from_one_dict() -> None:
    assert "self.respawned_wrks.get(idx, 0) <= 5.5" in source(common.AbstractServer._serve_loop)
    assert parameters(Granian._respawn_workers)[:2] == ["self", "workers"]
    assert "self.birth = time.monotonic()" in source(common.AbstractWorker)


def test_what_processes_count_is_received_by_threads_that_begin_where_it_is_said() -> None:
    # deploy/web.py begins them after the processes, which are forked.
    begin = """
        if self.metrics_enabled:
            for pipe in self._ipc.values():
                pipe[0].run(self._ipc_sig, self._metrics)
"""
    assert source(Granian._start_ipc).endswith(begin)
    assert source(Granian._start_ipc).count("metrics_enabled") == 1
    startup = source(common.AbstractServer.startup)
    assert startup.index("self._start_ipc()") < startup.index("self._spawn_workers(")
