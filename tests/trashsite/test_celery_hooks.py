"""
Each hook of kombu and Celery that trashsite/sqs depends on, by name.

A test that fails here after an upgrade names the hook that has changed; read trashsite/sqs before you change the test.
"""

from __future__ import annotations

import inspect
import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

import billiard.pool
import celery.apps.worker
import click
import pytest
from celery import signals
from celery.app.trace import fast_trace_task, trace_task_ret
from celery.apps.worker import Worker
from celery.bin.worker import worker as worker_command
from celery.bootsteps import Blueprint
from celery.concurrency.asynpool import AsynPool
from celery.exceptions import Reject
from celery.loaders.base import BaseLoader
from celery.worker.consumer.consumer import Consumer
from celery.worker.request import Request
from kombu import Connection, serialization
from kombu.asynchronous import Hub
from kombu.transport import TRANSPORT_ALIASES, resolve_transport, virtual

from trashsite.celery import app
from trashsite.sqs import Transport
from trashsite.sqs.channel import Channel

ROOT = Path(__file__).resolve().parent.parent.parent


def parameters(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


def test_celery_writes_its_words_by_functions_that_can_be_replaced() -> None:
    assert "signals.celeryd_init.send(" in inspect.getsource(Worker.on_before_init)
    assert "if not self.quiet:" in inspect.getsource(Worker.on_start)
    assert parameters(celery.apps.worker.safe_say) == ["msg", "f"]


def test_the_versions_are_those_that_were_read() -> None:
    assert (version("celery"), version("kombu")) == ("5.7.0", "5.7.0")
    pinned = (ROOT / "requirements.in").read_text()
    assert "celery==5.7.0" in pinned
    assert "kombu[sqs]==5.7.0" in pinned


def test_kombu_resolves_sqs_by_its_table_of_aliases() -> None:
    assert TRANSPORT_ALIASES["sqs"] == "trashsite.sqs:Transport"
    assert resolve_transport("sqs") is Transport
    assert app.connection_for_read().transport_cls == "sqs"


def test_a_connection_passes_its_options_to_the_transport() -> None:
    with Connection("sqs://aws//", transport_options={"task": "a", "call": "b"}) as connection:
        assert connection.transport.client.transport_options == {"task": "a", "call": "b"}


def test_the_consumer_registers_the_transport_with_the_hub_when_it_connects() -> None:
    assert "conn.transport.register_with_event_loop(conn.connection, self.hub)" in inspect.getsource(Consumer.connect)


def test_the_hub_reads_a_pipe_fires_a_timer_and_forgets_both() -> None:
    hub = Hub()
    read_end, write_end = os.pipe()
    seen: list[str] = []
    try:
        hub.add_reader(read_end, lambda: seen.append(os.read(read_end, 10).decode()))
        hub.call_later(0.0, lambda: seen.append("timer"))
        os.write(write_end, b"!")
        loop = hub.create_loop()
        for _ in range(5):
            next(loop)
        assert sorted(seen) == ["!", "timer"]
        hub.remove_reader(read_end)
        assert read_end not in hub.readers
    finally:
        hub.close()
        os.close(read_end)
        os.close(write_end)


def test_a_message_given_to_the_transport_reaches_the_consumer_and_takes_a_slot() -> None:
    assert parameters(virtual.Transport.on_message_ready) == ["self", "channel", "message", "queue"]
    with Connection("memory://") as connection:
        channel = connection.channel()
        channel.basic_qos(0, 1, False)
        seen: list[Any] = []
        channel.basic_consume("queue", False, seen.append, "tag")
        payload = {"body": "[]", "properties": {"delivery_tag": "t", "delivery_info": {}}}
        connection.transport.on_message_ready(channel, payload, "queue")
        assert [message.delivery_tag for message in seen] == ["t"]
        assert not channel.qos.can_consume()
        channel.qos.ack("t")
        assert channel.qos.can_consume()


@pytest.mark.parametrize(
    "name", ["basic_consume", "basic_cancel", "basic_qos", "basic_ack", "basic_reject", "close", "_put", "_purge"]
)
def test_the_channel_overrides_what_kombu_still_has(name: str) -> None:
    assert hasattr(virtual.Channel, name)
    assert name in vars(Channel)
    ours, theirs = parameters(getattr(Channel, name)), parameters(getattr(virtual.Channel, name))
    assert ours[: len(theirs) - 1] == theirs[: len(theirs) - 1]


def test_kombu_does_not_restore_messages() -> None:
    assert virtual.QoS.restore_at_shutdown is True
    assert virtual.Channel.do_restore is True
    assert Channel.do_restore is False


def test_a_body_without_a_content_type_reaches_the_task_as_it_is() -> None:
    body = [[["a batch"]], {}, {}]
    assert serialization.loads(body, None, "binary", accept={"application/json"}) is body
    for trace in (fast_trace_task, trace_task_ret):
        assert "    else:\n        args, kwargs, embed = body\n" in inspect.getsource(trace)


def test_a_rejected_task_says_whether_its_messages_go_back() -> None:
    assert Reject("why", requeue=True).requeue is True
    source = inspect.getsource(Request.on_failure)
    assert "isinstance(exc, Reject)" in source
    assert "self.reject(requeue=exc.requeue)" in source


def test_a_lost_pool_process_gives_its_messages_back_and_another_failure_keeps_them() -> None:
    source = inspect.getsource(Request.on_failure)
    assert "reject_on_worker_lost" in source
    assert "self.task.acks_on_failure" in source
    assert "self.reject(requeue=False)" in source


def test_celery_signals_when_it_starts_is_ready_and_ends() -> None:
    for name in ("worker_init", "worker_ready", "worker_shutting_down", "worker_shutdown", "setup_logging"):
        assert hasattr(signals, name)
    for name in ("worker_process_init", "worker_process_shutdown"):
        assert hasattr(signals, name)


def test_the_options_and_the_pool_may_be_set_before_the_worker_is_built() -> None:
    source = inspect.getsource(Worker.setup_instance)
    told = source.index("signals.worker_init.send(sender=self)")
    assert source.index("self.options = kwargs") < told < source.index("get_implementation(self.pool_cls)")


def test_the_command_line_shows_whether_the_pool_is_the_default() -> None:
    (pool,) = (option for option in worker_command.params if option.name == "pool")
    assert isinstance(pool, click.Option)
    assert pool.default == "prefork"


def test_what_is_half_written_can_be_ended_before_the_pool_closes() -> None:
    """reports.worker.startup does that, and does not wait 30 s for results that nobody reads."""
    assert "self.app.loader.shutdown_worker()" in inspect.getsource(Worker.on_close)
    assert "self.on_worker_shutdown()" in inspect.getsource(BaseLoader.shutdown_worker)
    source = inspect.getsource(Blueprint.close)
    assert source.index("self.on_close()") < source.index("'close'")
    assert "if self._state == RUN:" in inspect.getsource(AsynPool.flush)
    assert "range(GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT)" in inspect.getsource(billiard.pool.Worker)


def test_the_steps_that_sqs_cannot_serve_are_switched_off_by_these_options() -> None:
    names = {option.name for option in worker_command.params}
    assert {"without_gossip", "without_mingle", "without_heartbeat", "autoscale"} <= names
