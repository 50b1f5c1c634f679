"""What a worker checks before it receives a message."""

from __future__ import annotations

import gc
import logging
import sys
import time
from functools import partial
from typing import Any

import billiard.pool
import celery.apps.worker
import click
from celery import signals
from celery.concurrency import get_implementation
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from reports import queue, store
from reports.formats import models
from reports.queue import QueueUnavailable
from reports.store import StoreUnavailable
from trashsite import exposition, logs, tracing
from trashsite.aws import AwsDenied, pause_s
from trashsite.outage import Outage

logger = logging.getLogger(__name__)

#: The pool that measured best (bench/), for a worker whose command line names none.
DEFAULT_POOL = "threads"
#: The modules of Celery's pools that can grow and shrink.
SCALING = {"celery.concurrency.prefork", "celery.concurrency.gevent", "celery.concurrency.eventlet"}
#: New objects that may hold others, beyond those that are freed, after which Python looks for cycles among them.
GARBAGE_AFTER = 20_000

#: Celery settings without which reports could be lost, and what would go wrong.
NEEDED = {
    "task_acks_late": (True, "a crash would lose the messages in progress"),
    "task_reject_on_worker_lost": (True, "a killed pool process would lose its messages"),
    "task_acks_on_failure_or_timeout": (False, "a report that could not be stored would be deleted"),
    "task_serializer": ("json", "other formats can carry code"),
    "accept_content": (["json"], "other formats can carry code"),
    "worker_enable_remote_control": (False, "SQS has no broadcast: each worker would create queues that nobody reads"),
}


@signals.celeryd_init.connect
def speak_json(instance: Any, **_: Any) -> None:
    """Have all that Celery writes past the log in the log's form: its banner, its warnings, what it says at the end."""
    if settings.TRASH_LOG == "json":
        logs.take_over()
        instance.quiet = True
        celery.apps.worker.safe_say = logs.say  # type: ignore[attr-defined]


@signals.worker_init.connect
def prepare(sender: Any, **_: Any) -> None:
    """Refuse settings that could lose reports, wait for AWS, and only then let the worker start."""
    try:
        tracing.start("worker")
    except ImproperlyConfigured as error:
        _refuse(str(error))
    try:
        exposition.share()
    except OSError as error:
        _refuse(f"TRASH_METRICS_PORT is set, and the counts cannot be kept: {error}")
    if _pool_is_default():
        sender.pool_cls = DEFAULT_POOL
    # SQS has no broadcast, so these would only create queues that nobody reads.
    sender.options.update(without_gossip=True, without_mingle=True, without_heartbeat=True)
    if sender.options.get("autoscale") and get_implementation(sender.pool_cls).__module__ not in SCALING:
        _refuse("--autoscale needs a pool that can grow: add -P prefork")
    for name, (needed, otherwise) in NEEDED.items():
        if sender.app.conf[name] != needed:
            _refuse(f"{name} must be {needed!r}: {otherwise}")
    try:
        models.load()
    except models.InvalidModel as error:
        _refuse(str(error))
    queues = list(sender.app.amqp.queues.consume_from)
    outage = Outage("reaching AWS")
    attempt = 0
    while True:
        try:
            flaws = [flaw for name in queues for flaw in queue.flaws(name)]
            flaws += store.flaws()
            break
        except (QueueUnavailable, StoreUnavailable) as error:
            if isinstance(error.__cause__, AwsDenied):
                _refuse(f"{error} (docs/operations/rights.md lists what a worker needs)")
            attempt += 1
            outage.failed(error)
            time.sleep(pause_s(attempt, first_s=0.5, most_s=5.0))
    outage.ended()
    if flaws:
        _refuse("; ".join(flaws))
    sender.app.loader.on_worker_shutdown = partial(_finish_half_written_batches, sender)
    # A pool process that ends waits for its last results to be read, 0.1 s a time and 30 s in all; after SIGTERM nobody
    # reads them (billiard 4.3). They only free a slot: the process has deleted its messages already.
    billiard.pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT = 10
    # What is loaded by now stays for ever, so do the models of sensors. Looking through it for garbage again and again
    # was a fifth of the CPU of a report: 0.30 ms to store one, 0.23 ms without (26 November 2026). To look through what
    # is new after each 700 objects, as Python does, was another fifteenth (27 November 2026).
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_AFTER)


@signals.worker_process_init.connect
def trace_pool_process(**_: Any) -> None:
    """Make spans in a process of a prefork pool by itself: the thread that sends them is not forked."""
    tracing.start("worker")


@signals.worker_process_shutdown.connect
@signals.worker_shutdown.connect
def send_spans(**_: Any) -> None:
    """Send what was recorded last."""
    tracing.stop()


def _finish_half_written_batches(worker: Any) -> None:
    """
    Finish writing the batches that a prefork pool has begun to write to its processes.

    Celery 5.7 closes the pool first and flushes afterwards, when a closed pool writes no more: a process that got half
    of a batch (a pipe holds 64 KiB) would wait for the rest for ever, and the worker for that process.
    """
    if flush := getattr(worker.pool, "flush", None):
        flush()


def _pool_is_default() -> bool:
    """Return whether the command line names no pool: in Celery, its default looks like `-P prefork`."""
    context = click.get_current_context(silent=True)
    source = context and context.get_parameter_source("pool")
    return source in (None, click.core.ParameterSource.DEFAULT)


def _refuse(reason: str) -> None:
    # A traceback would hide the one line that matters.
    text = f"the worker does not start: {reason}"
    if settings.TRASH_LOG == "json":
        logger.critical(text)
        sys.exit(1)
    sys.exit(text)
