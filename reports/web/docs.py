"""The console of the API: Swagger UI, of which every file comes from this site."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.request import Request
from rest_framework.response import Response

from reports.web import ingestion


class DocsView(SpectacularSwaggerSplitView):
    """The library's own, whose page says too when no report is being stored."""

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **named: Any) -> Response:
        answer: Response = super().get(request, *args, **named)  # type: ignore[no-untyped-call]
        answer.data["ingestion"] = ingestion.current()
        return answer
