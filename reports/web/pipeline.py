"""The pipeline for operators: queues, workers, and troubles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from reports import queue, store
from reports.insight import pipeline_hour
from reports.insight.health import SILENT_AFTER, Trouble, pipeline_troubles
from reports.insight.pipeline_hour import MINUTES
from reports.queue import Depth, LetterKind, QueueUnavailable
from reports.store import Heartbeat, Minute, StoreUnavailable
from reports.web import examples
from reports.web.access import MaySeePipeline
from reports.web.answers import instant
from reports.web.pipeline_schemas import PipelineAnswer
from reports.web.rendering import Page
from reports.web.view import REFUSALS, ApiView
from trashsite.outcomes import SETTLED


@dataclass(frozen=True)
class PipelinePage(Page):
    template: ClassVar[str] = "reports/pipeline.html"


class PipelineView(ApiView):
    """Queue, workers and dead letters: how reports get from the devices to the store."""

    permission_classes = (MaySeePipeline,)

    @extend_schema(
        operation_id="pipeline",
        responses={200: PipelineAnswer, **REFUSALS},
        examples=[examples.PIPELINE],
        tags=["pipeline"],
    )
    def get(self, request: Request) -> Response:
        """The messages in the queues, the workers with their counters, and the troubles found."""
        now = timezone.now()
        depth: Depth | None = None
        dead_alerts: int | None = None
        workers: list[Heartbeat] | None = None
        # What does not answer is among the troubles.
        with suppress(QueueUnavailable):
            depth = queue.depth()
            dead_alerts = queue.count_dead_letters(LetterKind.ALERTS)
        rows: list[Minute] | None = None
        with suppress(StoreUnavailable):
            workers = store.workers(now)
            rows = store.minutes(now - timedelta(minutes=MINUTES))
        troubles = pipeline_troubles(
            waiting=depth.waiting if depth else None,
            in_flight=depth.in_flight if depth else 0,
            dead=depth.dead if depth else 0,
            dead_alerts=dead_alerts,
            workers=workers,
            knows_hour=rows is not None,
            now=now,
        )
        data = _pipeline(depth, workers, now)
        data["dead_alerts"] = dead_alerts
        data["troubles"] = [_told(trouble, request) for trouble in troubles]
        data["hour"] = None if rows is None else _hour(rows, workers or (), now)
        return Response(PipelinePage(data) if self.is_page else data)


def _told(trouble: Trouble, request: Request) -> dict[str, Any]:
    address = reverse("dead_letters", query={"of": trouble.letters})
    return {
        "weight": trouble.weight,
        "text": trouble.text,
        "remedy": trouble.remedy,
        "link": request.build_absolute_uri(address) if trouble.letters else None,
    }


def _pipeline(depth: Depth | None, workers: Sequence[Heartbeat] | None, now: datetime) -> dict[str, Any]:
    counters = [worker.counters for worker in workers or () if now - worker.seen_at <= SILENT_AFTER]
    last = max((count.get("last_stored_at_s", 0) for count in counters), default=0)
    lags = [count["lag_ms"] for count in counters if "lag_ms" in count]
    rates = [count["stored_per_minute"] for count in counters if "stored_per_minute" in count]
    rate = sum(rates) if rates else None
    return {
        "queue": None
        if depth is None
        else {"waiting": depth.waiting, "in_flight": depth.in_flight, "dead": depth.dead},
        "lag_ms": max(lags) if lags else None,
        "stored_per_minute": rate,
        "drain_s": _drain_s(depth, counters, rate),
        "last_stored_at": instant(datetime.fromtimestamp(last, now.tzinfo)) if last else None,
        # None, not an empty list: an operator must not read that there are no workers.
        "workers": None
        if workers is None
        else [
            {
                "name": worker.name,
                "seen_at": instant(worker.seen_at),
                "is_silent": now - worker.seen_at > SILENT_AFTER,
                "problem": worker.problem,
                "counters": dict(worker.counters),
            }
            for worker in workers
        ],
    }


def _hour(rows: Sequence[Minute], workers: Sequence[Heartbeat], now: datetime) -> dict[str, Any]:
    """Return the last hour: rows of the table, and of each process the minute that has no row yet."""
    hour = pipeline_hour.hour([*rows, *(worker.minute for worker in workers if worker.minute)], now)
    return {
        "begins_at": instant(hour.minutes[0]),
        "received": hour.counts["received"],
        "stored": hour.counts["stored"],
        "oldest_ms": hour.levels["lag_ms"],
        "backlog": hour.levels["backlog"],
        "dead": hour.levels["dead"],
        "totals": {**hour.totals, "unaccounted": hour.unaccounted},
    }


def _drain_s(depth: Depth | None, counters: Sequence[Mapping[str, int]], rate: int | None) -> int | None:
    """
    Return in how many seconds the backlog is stored at the pace of the last minute, if no report arrives meanwhile.

    rate: reports stored a minute. None where depth or pace is not known, or nothing was stored.
    """
    messages = sum(count.get("messages", 0) for count in counters)
    reports = sum(count.get(name, 0) for count in counters for name in SETTLED)
    if depth is None or not rate or not messages:
        return None
    return int(depth.waiting * max(reports, 1) / messages * 60 / rate)
