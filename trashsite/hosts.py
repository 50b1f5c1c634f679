"""The host that a request names: looked at once, and any one for the health pages."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from django.http import HttpRequest, HttpResponse

HEALTH = "/health/"


def _health_host() -> str:
    return "health.invalid"


class Hosts:
    """
    Look at a request's Host header once, however often it is asked for; of the health pages it may be any.

    A load balancer asks for these by the task's own address, as `Host: 10.0.1.23:8000`, which no list of allowed hosts
    holds. They put no host into what they answer. Stands before all that asks for the host.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        is_health = request.path_info.startswith(HEALTH)
        request.get_host = _health_host if is_health else cache(request.get_host)  # type: ignore[method-assign]
        return self._get_response(request)
