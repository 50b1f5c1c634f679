"""Whether all is well, asked by machines: load balancers, and whoever watches the workers."""

from __future__ import annotations

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from reports import queue, store
from reports.insight.health import worker_alerts
from reports.queue import QueueUnavailable
from reports.store import StoreUnavailable
from reports.web import answers, schemas


class ProbeView(APIView):
    """What all of them share: anybody may ask, as often as they like."""

    permission_classes = (AllowAny,)
    authentication_classes = ()
    throttle_classes = ()


class LiveView(ProbeView):
    """Whether this process answers at all."""

    @extend_schema(operation_id="live", responses=schemas.Live, tags=["health"], auth=[])
    def get(self, request: Request) -> Response:
        """Says that this web process answers; asks nobody else."""
        return Response({"status": "live"})


class PipelineHealthView(ProbeView):
    """Whether reports that are sent are stored: for whoever watches the workers."""

    @extend_schema(
        operation_id="pipeline_health", responses={200: schemas.Pulse, 503: schemas.Pulse}, tags=["health"], auth=[]
    )
    def get(self, request: Request) -> Response:
        """503 where a worker is silent or stuck, or none is running; says which and since when."""
        try:
            alerts = worker_alerts(store.workers(timezone.now()), timezone.now())
            problems = [f"{alert.text} {alert.remedy}" for alert in alerts]
        except StoreUnavailable as error:
            problems = [str(error)]
        status = "stuck" if problems else "well"
        return Response({"status": status, "problems": problems}, status=503 if problems else 200)


class ReadyView(ProbeView):
    """Whether the queue and the store answer, and when each worker was last heard of."""

    @extend_schema(operation_id="ready", responses={200: schemas.Ready, 503: schemas.Ready}, tags=["health"], auth=[])
    def get(self, request: Request) -> Response:
        """Asks SQS and DynamoDB; 503 tells which one does not answer."""
        checks, workers = {"sqs": "ok", "dynamodb": "ok"}, []
        try:
            queue.ping()
        except QueueUnavailable as error:
            checks["sqs"] = str(error)
        try:
            store.ping()
            workers = store.workers(timezone.now())
        except StoreUnavailable as error:
            checks["dynamodb"] = str(error)
        ready = set(checks.values()) == {"ok"}
        if checks["dynamodb"] == "ok":
            # A web server without a worker still answers: told here, and judged by PipelineHealthView.
            alerts = worker_alerts(workers, timezone.now())
            checks["workers"] = " ".join(alert.text for alert in alerts) or "ok"
        seen = [
            {"name": worker.name, "seen_at": answers.instant(worker.seen_at), "counters": worker.counters}
            for worker in workers
        ]
        return Response(
            {"status": "ready" if ready else "not ready", "checks": checks, "workers": seen},
            status=200 if ready else 503,
            headers=None if ready else {"Retry-After": "5"},
        )
