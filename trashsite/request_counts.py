"""Counts each request that Django answers, by its route, and makes its span where traces are on."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from trashsite import telemetry, tracing

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
ADMIN = "admin/"


class CountRequests:
    """Stands before all other middleware, so that it sees every answer of Django, and all of the time it took."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        began = time.perf_counter()
        if tracing.is_wanted():
            response, route = self._traced(request)
        else:
            response = self._get_response(request)
            route = _route(request)
        duration_s = time.perf_counter() - began
        telemetry.count_web_request(method(request.method), route, response.status_code, duration_s)
        return response

    def _traced(self, request: HttpRequest) -> tuple[HttpResponseBase, str]:
        verb = method(request.method)
        # Django's own mapping of the headers is made of all of them.
        parent = request.META.get("HTTP_TRACEPARENT", "")
        with tracing.span(verb, "SERVER", {"http.request.method": verb}, parent=parent) as span:
            response = self._get_response(request)
            route = _route(request)
            if span:
                span.update_name(f"{verb} {route}")
                span.set_attributes({"http.route": route, "http.response.status_code": response.status_code})
        return response, route


def method(name: str | None) -> str:
    """Return a method's name for a label: a visitor may send any."""
    return name if name in METHODS else "other"


def _route(request: HttpRequest) -> str:
    """Return the pattern that matched, as "/reports/<can_id>"; "static", or "none" where nothing matched."""
    match = request.resolver_match
    if match is None:
        return "static" if request.path_info.startswith(f"/{settings.STATIC_URL.lstrip('/')}") else "none"
    # The admin has a page for each model and action.
    return f"/{ADMIN if match.route.startswith(ADMIN) else match.route}"
