"""
Health checks for machines: load balancers, and whoever monitors the workers.

Anybody may ask, so an answer is one of a few fixed words, and a process asks AWS at most once in ASKED_EVERY_S. What
exactly is wrong, and the workers' names and counters, operators see at `/pipeline/`.
"""

from __future__ import annotations

import logging

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from reports import queue, store
from reports.insight.health import works
from reports.queue import QueueUnavailable
from reports.store import StoreUnavailable
from reports.web import health_schemas
from reports.web.held import Held
from reports.web.problems import RETRY_AFTER_S
from reports.web.view import ApiView

#: For how long a process trusts what it found out.
ASKED_EVERY_S = 2.0
NO_STORE = {"Cache-Control": "no-store"}
_RETRY = {"Retry-After": str(RETRY_AFTER_S), **NO_STORE}

log = logging.getLogger(__name__)


def _workers() -> dict[str, str]:
    try:
        now = timezone.now()
        return {"workers": "well" if works(store.workers(now), now) else "stuck"}
    except StoreUnavailable as error:
        log.warning("store unavailable: %s", error)
        return {"workers": "unknown"}


def _services() -> dict[str, str]:
    checks = {"sqs": "ok", "dynamodb": "ok"}
    try:
        queue.ping()
    except QueueUnavailable as error:
        log.warning("queue unavailable: %s", error)
        checks["sqs"] = "no answer"
    try:
        store.ping()
    except StoreUnavailable as error:
        log.warning("store unavailable: %s", error)
        checks["dynamodb"] = "no answer"
    return checks


_WORKERS, _SERVICES = Held(_workers, ASKED_EVERY_S), Held(_services, ASKED_EVERY_S)


def forget() -> None:
    """Ask AWS anew when next asked."""
    _WORKERS.forget()
    _SERVICES.forget()


class ProbeView(ApiView):
    """What all of them share: anybody may ask, as often as they like."""

    permission_classes = (AllowAny,)
    authentication_classes = ()
    throttle_classes = ()
    tells_ingestion = False


class LiveView(ProbeView):
    """Whether this process answers at all."""

    @extend_schema(operation_id="live", responses=health_schemas.Live, tags=["health"], auth=[])
    def get(self, request: Request) -> Response:
        """200 where this web process answers; no other service is asked."""
        return Response({"status": "live"}, headers=NO_STORE)


class PipelineHealthView(ProbeView):
    """Whether reports that are sent are stored: for whoever watches the workers."""

    @extend_schema(
        operation_id="pipeline_health",
        responses={200: health_schemas.Pulse, 503: health_schemas.Pulse},
        tags=["health"],
        auth=[],
    )
    def get(self, request: Request) -> Response:
        """
        503 where a worker that runs is stuck, where none is running, or where DynamoDB does not tell.

        Operators see at `/pipeline/` which, since when, and what to do.
        """
        status = _WORKERS.get()["workers"]
        is_well = status == "well"
        return Response({"status": status}, status=200 if is_well else 503, headers=NO_STORE if is_well else _RETRY)


class ReadyView(ProbeView):
    """Whether the queue and the store answer."""

    @extend_schema(
        operation_id="ready", responses={200: health_schemas.Ready, 503: health_schemas.Ready}, tags=["health"], auth=[]
    )
    def get(self, request: Request) -> Response:
        """Asks SQS and DynamoDB; a 503 names the one that does not answer."""
        checks = _SERVICES.get()
        is_ready = set(checks.values()) == {"ok"}
        return Response(
            {"status": "ready" if is_ready else "not ready", "checks": checks},
            status=200 if is_ready else 503,
            headers=NO_STORE if is_ready else _RETRY,
        )
