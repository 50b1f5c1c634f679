"""
Traces by OpenTelemetry: where a report's time went, from whoever sent it to whoever reads it.

Off unless OTEL_EXPORTER_OTLP_ENDPOINT is set; then the packages of requirements-tracing.txt are needed. Spans are made
by hand where something waits for somebody else: each costs 25 µs where it is recorded, and is made only there: chance
decides before a trace's first span. Names and attributes are those of the semantic conventions 1.44; a batch's span has
a link to what created each message.

The context travels as the message attribute `traceparent` (W3C); AWSTraceHeader, which AWS's own tracing adds, is read
where there is none. Whoever may send can set either: so no more comes of it than a link, or a parent that is sampled by
our own rate.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, Literal

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

#: The message attribute, and the system attribute of AWS.
TRACEPARENT, AWS_HEADER = "traceparent", "AWSTraceHeader"
#: Source: W3C, Trace Context, 3.2.2; AWS, X-Ray, tracing header.
_W3C = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
_AWS = re.compile(r"Root=1-([0-9a-f]{8})-([0-9a-f]{24});Parent=([0-9a-f]{16})(?:;Sampled=([01]))?")
EXPORT_TIMEOUT_S = 2

Kind = Literal["INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"]
Attributes = Mapping[str, str | int]

_provider: Any = None
_tracer: Any = None
#: Whether chance decided that nothing of what goes on here is recorded.
_passed_over: ContextVar[bool] = ContextVar("passed_over", default=False)


def is_wanted() -> bool:
    """Say whether a span made here may be recorded: traces are on, and here is none or one that is sampled."""
    if _tracer is None or _passed_over.get():
        return False
    here = _here()
    return not here.is_valid or here.trace_flags.sampled


def start(service: str) -> None:
    """
    Make spans in this process from now on, where an endpoint is set; a process that was forked calls it again.

    service: "worker" or "web". Raises ImproperlyConfigured where OpenTelemetry is not installed.
    """
    global _provider, _tracer  # noqa: PLW0603
    if not settings.TRASH_TRACES:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, TraceIdRatioBased
    except ImportError as error:
        raise ImproperlyConfigured(
            f"OTEL_EXPORTER_OTLP_ENDPOINT is set, and OpenTelemetry is not installed ({error}): "
            "install requirements-tracing.txt."
        ) from None
    rate = TraceIdRatioBased(settings.TRASH_TRACE_PERCENT / 100)
    # A sender's word that a trace is sampled counts no more than our own rate. A first span is made only where chance
    # was for it.
    sampler = ParentBased(ALWAYS_ON, remote_parent_sampled=rate, remote_parent_not_sampled=ALWAYS_OFF)
    resource = Resource.create({"service.name": f"trashsite-{service}"})
    _provider = TracerProvider(sampler=sampler, resource=resource)
    _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=EXPORT_TIMEOUT_S)))
    _tracer = _provider.get_tracer("trashsite")


def stop() -> None:
    """Send what was recorded; call it at the end of each process that called `start`."""
    global _provider, _tracer
    provider, _provider, _tracer = _provider, None, None
    if provider:
        provider.shutdown()


@contextmanager
def _spanning(name: str, kind: Kind, attributes: Attributes, links: Iterable[Any], around: Any) -> Iterator[Any]:
    from opentelemetry import trace

    with _tracer.start_as_current_span(
        name,
        kind=trace.SpanKind[kind],
        attributes=attributes,
        links=[trace.Link(context) for context in links],
        context=trace.set_span_in_context(trace.NonRecordingSpan(around)) if around else None,
    ) as span:
        yield span


def span(
    name: str, kind: Kind, attributes: Attributes, *, created: Iterable[str] = (), parent: str = ""
) -> AbstractContextManager[Any]:
    """
    Make a span around something; with `as`, the span, or None where traces are off or this one is not sampled.

    created: contexts of what created the messages that it works on, as `context_of` returned them. parent: the context
    that a visitor sent.
    """
    if not is_wanted():
        return nullcontext()
    links = [context for context in map(_context, dict.fromkeys(created)) if context]
    # Where all messages are of one trace, it goes on.
    around = _context(parent) or (links[0] if len(links) == 1 else None)
    if around or _here().is_valid or _is_drawn():
        return _spanning(name, kind, attributes, links, around)
    return _PassedOver()


class _PassedOver:
    """Around what nothing is recorded of."""

    def __enter__(self) -> None:
        self._before = _passed_over.set(True)

    def __exit__(self, *_: object) -> None:
        _passed_over.reset(self._before)


def received(queue: str, messages: int, began_s: float) -> None:
    """Make the span of a receive that brought messages; began_s: when it was sent, in seconds since 1970."""
    if _tracer and _is_drawn():
        from opentelemetry import trace

        _tracer.start_span(
            f"receive {queue}",
            kind=trace.SpanKind.CLIENT,
            attributes=messaging("receive", queue, messages),
            start_time=int(began_s * 1e9),
        ).end(int(time.time() * 1e9))


def messaging(operation: str, queue: str, messages: int) -> dict[str, str | int]:
    """Return the attributes of a span about messages."""
    return {
        "messaging.system": "aws_sqs",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": queue,
        "messaging.batch.message_count": messages,
    }


def inject(entries: Iterable[MutableMapping[str, Any]]) -> None:
    """Give messages the context of the present span, as an attribute."""
    if (here := current()) and here[2]:
        traceparent = f"00-{here[0]}-{here[1]}-01"
        for entry in entries:
            entry.setdefault("MessageAttributes", {})[TRACEPARENT] = {
                "DataType": "String",
                "StringValue": traceparent,
            }


def context_of(message: Mapping[str, Any]) -> str:
    """Return what an SQS message tells of the context that created it, as traceparent; "" where it tells none."""
    told = message.get("MessageAttributes", {}).get(TRACEPARENT, {}).get("StringValue", "")
    if told and _W3C.fullmatch(str(told)):
        return str(told)
    header = message.get("Attributes", {}).get(AWS_HEADER)
    if header and (found := _AWS.search(str(header)[:256])):
        return f"00-{found[1]}{found[2]}-{found[3]}-0{found[4] or 0}"
    return ""


def current() -> tuple[str, str, bool] | None:
    """Return trace id and span id of the present span, in hex, and whether it is recorded; None where there is none."""
    if not _tracer or not (context := _here()).is_valid:
        return None
    return f"{context.trace_id:032x}", f"{context.span_id:016x}", context.trace_flags.sampled


def trace_id() -> str:
    """Return the present trace's id where it is recorded, for the log."""
    here = current()
    return here[0] if here and here[2] else ""


def _is_drawn() -> bool:
    """Draw whether a trace that begins here is recorded."""
    return random.random() * 100 < settings.TRASH_TRACE_PERCENT  # noqa: S311


def _here() -> Any:
    """Return the context of the present span, which may be none."""
    from opentelemetry import trace

    return trace.get_current_span().get_span_context()


def _context(traceparent: str) -> Any:
    found = _W3C.fullmatch(traceparent)
    if not found:
        return None
    from opentelemetry.trace import SpanContext, TraceFlags

    return SpanContext(
        int(found[1], 16), int(found[2], 16), is_remote=True, trace_flags=TraceFlags(int(found[3], 16) & 1)
    )
