"""Traces: a real receiver of OTLP decodes one report's way, from who sent it to who reads it."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from django.core.exceptions import ImproperlyConfigured
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pytest_django.fixtures import Settings

from reports import queue, store
from tests.support.servers import Site, Worker, eventually
from tests.support.trace_picture import drawn
from trashsite import tracing
from trashsite.sqs.delivery import Delivery

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Receiver(ThreadingHTTPServer):
    """Takes spans as OTLP over HTTP, as a collector does."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.spans: dict[str, Any] = {}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def named(self, name: str) -> Any:
        return self.spans.get(name)


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        sent = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
        for resource in sent.resource_spans:
            for scope in resource.scope_spans:
                self.server.spans.update((span.name, span) for span in scope.spans)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[Receiver]:
    with Receiver() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{receiver.server_port}")
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        monkeypatch.setenv("TRASH_TRACE_PERCENT", "100")
        settings.TRASH_TRACES, settings.TRASH_TRACE_PERCENT = True, 100
        yield receiver
        tracing.stop()
        receiver.shutdown()


def stored_by(running: Worker) -> tuple[str, str]:
    """Send a report in a trace and let the worker store it; return the trace's id and that of the device's span."""
    tracing.start("publisher")
    with tracing.span("device", "INTERNAL", {}):
        trace_id, device, _ = tracing.current() or ("", "", False)
        queue.publish(['{"can_id":"432","level":"70"}'])
    tracing.stop()
    assert eventually(lambda: store.latest("432"))
    assert running.stop() == 0
    return trace_id, device


def is_stored_in_one_trace(receiver: Receiver, trace_id: str) -> None:
    """Wait for the spans of a stored report, and look at how they hang together."""
    queued = queue.full_name(queue.REPORTS)
    names = (f"send {queued}", f"process {queued}", "DynamoDB.BatchWriteItem", "SQS.DeleteMessageBatch")
    eventually(lambda: all(map(receiver.named, names)), 10)
    send, process, stored, settled = map(receiver.named, names)
    for span in (send, process, stored, settled):
        assert span.trace_id.hex() == trace_id, span.name
    assert (send.kind, process.kind) == (send.SPAN_KIND_PRODUCER, send.SPAN_KIND_CONSUMER)
    assert [link.span_id for link in process.links] == [send.span_id]
    assert {stored.parent_span_id, settled.parent_span_id} == {process.span_id}
    assert receiver.named(f"receive {queued}")


def test_one_reports_way_is_one_trace_with_links(
    suffix: str, receiver: Receiver, worker: Callable[..., Worker], tmp_path: Path
) -> None:
    trace_id, device = stored_by(worker("-P", "threads").ready())
    site = Site(tmp_path / "log")
    try:
        asked = Request(f"{site.url}/reports/432", headers={"traceparent": f"00-{trace_id}-{device}-01"})  # noqa: S310
        urlopen(asked, timeout=10).close()  # noqa: S310
        assert site.stop() in (0, 1)
    finally:
        site.close()

    is_stored_in_one_trace(receiver, trace_id)
    names = ("GET /reports/<str:can_id>", "DynamoDB.GetItem")
    eventually(lambda: all(map(receiver.named, names)), 10)
    request, read = map(receiver.named, names)
    assert request.trace_id.hex() == read.trace_id.hex() == trace_id
    assert request.kind == request.SPAN_KIND_SERVER
    assert (request.parent_span_id.hex(), read.parent_span_id) == (device, request.span_id)
    if picture := os.environ.get("TRACE_PICTURE"):
        ours = (span for span in receiver.spans.values() if span.trace_id.hex() == trace_id)
        Path(picture).write_text(drawn(ours).replace(f"-{suffix}", ""))


def test_a_process_of_a_pool_goes_on_with_the_trace(receiver: Receiver, worker: Callable[..., Worker]) -> None:
    trace_id, _ = stored_by(worker("-P", "prefork").ready())
    is_stored_in_one_trace(receiver, trace_id)


@pytest.mark.parametrize(
    ("attributes", "system", "context"),
    [
        (f"00-{TRACE}-{SPAN}-01", "", f"00-{TRACE}-{SPAN}-01"),
        ("", f"Root=1-{TRACE[:8]}-{TRACE[8:]};Parent={SPAN};Sampled=1", f"00-{TRACE}-{SPAN}-01"),
        ("", f"Root=1-{TRACE[:8]}-{TRACE[8:]};Parent={SPAN}", f"00-{TRACE}-{SPAN}-00"),
        (f"00-{'0' * 32}-{SPAN}-01", "", ""),
        ("01-x\n", "Root=<script>", ""),
        (f"00-{TRACE}-{SPAN}-01" + "x" * 10_000, "", ""),
    ],
)
def test_a_messages_context_is_taken_where_it_is_one(attributes: str, system: str, context: str) -> None:
    message = {
        "MessageId": "1", "ReceiptHandle": "1", "Body": "{}", "Attributes": {"AWSTraceHeader": system},
        "MessageAttributes": {"traceparent": {"StringValue": attributes, "DataType": "String"}},
    }  # fmt: skip
    assert Delivery.received("url", message).trace == context


def test_nothing_is_made_where_chance_is_against_it(receiver: Receiver, settings: Settings) -> None:
    settings.TRASH_TRACE_PERCENT = 0
    tracing.start("worker")
    for parent in ("", f"00-{TRACE}-{SPAN}-01"):
        assert tracing.is_wanted()
        with tracing.span("batch", "INTERNAL", {}, parent=parent):
            here = tracing.current()
            assert bool(here) is bool(parent)
            with tracing.span("request", "INTERNAL", {}) as span:
                assert (span, tracing.current(), tracing.is_wanted()) == (None, here, False)
    assert tracing.is_wanted()


def test_as_many_traces_begin_as_the_rate_says(receiver: Receiver, settings: Settings) -> None:
    settings.TRASH_TRACE_PERCENT = 30
    tracing.start("worker")
    sampled = 0
    for _ in range(1_000):
        with tracing.span("batch", "INTERNAL", {}) as span:
            sampled += span is not None
    # Five standard deviations on either side.
    assert 228 <= sampled <= 372


def test_without_an_endpoint_nothing_is_made_or_loaded(settings: Settings) -> None:
    settings.TRASH_TRACES = False
    tracing.start("worker")
    assert not tracing.is_wanted()
    with tracing.span("any", "INTERNAL", {}) as span:
        assert span is None
        assert tracing.trace_id() == ""


def test_without_the_packages_it_says_which(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.TRASH_TRACES = True
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(ImproperlyConfigured, match=r"requirements-tracing\.txt"):
        tracing.start("worker")
