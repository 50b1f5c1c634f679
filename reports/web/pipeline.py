"""The pipeline as staff see it: queue, workers, and what is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from reports import queue, store
from reports.insight.health import SILENT_AFTER, Alert, pipeline_alerts
from reports.queue import Depth, QueueUnavailable
from reports.store import Heartbeat, StoreUnavailable
from reports.web import examples, schemas
from reports.web.access import MaySeePipeline
from reports.web.answers import instant
from reports.web.view import REFUSALS, ApiView


class PipelineView(ApiView):
    """Queue, workers and dead letters: how reports get from the devices to the store."""

    permission_classes = (MaySeePipeline,)
    page = "reports/pipeline.html"

    @extend_schema(
        operation_id="pipeline",
        responses={200: schemas.PipelineAnswer, **REFUSALS},
        examples=[examples.PIPELINE],
        tags=["pipeline"],
    )
    def get(self, request: Request) -> Response:
        """How many messages are where, which workers are at work, and what is wrong."""
        now = timezone.now()
        depth: Depth | None = None
        workers: list[Heartbeat] | None = None
        # What does not answer is among the alerts.
        with suppress(QueueUnavailable):
            depth = queue.depth()
        with suppress(StoreUnavailable):
            workers = store.workers(now)
        alerts = pipeline_alerts(
            waiting=depth.waiting if depth else None,
            in_flight=depth.in_flight if depth else 0,
            dead=depth.dead if depth else 0,
            workers=workers,
            now=now,
        )
        return Response(_pipeline(depth, workers or [], alerts, now))

    def page_context(self, data: Mapping[str, Any]) -> dict[str, Any]:
        return {"may_redrive": self.request.user.has_perm("accounts.redrive")}


def _pipeline(
    depth: Depth | None, workers: Sequence[Heartbeat], alerts: Sequence[Alert], now: datetime
) -> dict[str, Any]:
    counters = [worker.counters for worker in workers if now - worker.seen_at <= SILENT_AFTER]
    last = max((count.get("last_stored_at_s", 0) for count in counters), default=0)
    lags = [count["lag_ms"] for count in counters if "lag_ms" in count]
    rates = [count["stored_per_minute"] for count in counters if "stored_per_minute" in count]
    return {
        "queue": None
        if depth is None
        else {"waiting": depth.waiting, "in_flight": depth.in_flight, "dead": depth.dead},
        "lag_ms": max(lags) if lags else None,
        "stored_per_minute": sum(rates) if rates else None,
        "last_stored_at": instant(datetime.fromtimestamp(last, now.tzinfo)) if last else None,
        "workers": [
            {
                "name": worker.name,
                "seen_at": instant(worker.seen_at),
                "is_silent": now - worker.seen_at > SILENT_AFTER,
                "problem": worker.problem,
                "counters": dict(worker.counters),
            }
            for worker in workers
        ],
        "troubles": [{"weight": alert.severity, "text": alert.text, "remedy": alert.remedy} for alert in alerts],
    }
