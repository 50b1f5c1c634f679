"""
Where granian calls us: its hooks that this package leans on, all of them here (tests/trashsite/server/test_hooks.py).

granian hands each request of an ASGI application to a scheduler, in a thread of its own that holds the interpreter
lock; its own scheduler wakes an event loop, which would have to wake a thread for Django: two hops more, 0.04 ms of CPU
a request. This one answers where it is called.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from asyncio.tasks import _enter_task, _leave_task
from collections.abc import Callable
from functools import partial
from multiprocessing.util import Finalize
from typing import Any

from granian import Granian
from granian._granian import CallbackScheduler
from granian.server import mp

from trashsite.server import memory

logger = logging.getLogger(__name__)


class _Scheduler(CallbackScheduler):
    """granian's, told to call a function of ours with each request."""

    __slots__ = ()

    def __init__(self, loop: asyncio.AbstractEventLoop, begin: Callable[[Any], None], *_: Any) -> None:
        super().__init__()
        self._schedule_fn = begin


def serve(port: int, most_connections: int, threads: int, worker_id: int, *arguments: Any) -> None:
    """Serve in a worker process until granian ends it; the arguments after `worker_id` are granian's."""
    # The apps begin threads as soon as they are loaded.
    memory.use_one_arena()
    mp._new_cbscheduler = partial(_scheduler, port, most_connections, threads)  # type: ignore[attr-defined]
    Granian._spawn_asgi_worker(worker_id, *arguments)


def _scheduler(
    port: int, most_connections: int, threads: int, loop: asyncio.AbstractEventLoop, *_: Any, **__: Any
) -> _Scheduler:
    # Only now the working directory is on the path, and Django may be loaded.
    from django.conf import settings
    from django.urls import get_resolver

    from trashsite import exposition, logs, tracing
    from trashsite.server.between_requests import leave_out_idle_steps
    from trashsite.server.connections import Connections
    from trashsite.server.exchange import Exchanges
    from trashsite.server.threads import watch
    from trashsite.wsgi import application

    if settings.TRASH_LOG == "json":
        logs.take_over()
    exposition.share()
    tracing.start("web")
    # A process that multiprocessing started ends without Python's usual last steps.
    Finalize(None, tracing.stop, exitpriority=0)
    # Else the first requests import all pages, in several threads at once.
    get_resolver().url_patterns  # noqa: B018
    leave_out_idle_steps()
    connections = Connections(port, most_connections)
    exchanges = Exchanges(application, loop, connections, threads)
    threading.Thread(target=watch, name="database", daemon=True).start()
    threading.Thread(target=memory.watch, name="memory", daemon=True).start()
    threading.Thread(target=connections.watch, name="connections", daemon=True).start()

    def begin(request: Any) -> None:
        try:
            exchanges.begin(request.scope, request.proto)
        except BaseException as error:
            # granian looks at no exception here, and would trip over it later.
            logger.critical("A request failed before Django", exc_info=True)
            request.err(error)

    # What is loaded by now stays for ever: to look through it for garbage took 80 ms of a request's time now and then.
    gc.collect()
    gc.freeze()
    return _Scheduler(loop, begin, None, partial(_enter_task, loop), partial(_leave_task, loop))
