"""The host that a request names: looked at once, and any one for the health pages."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

HEALTH = "/health/"


class Hosts:
    """
    Look at a request's Host header once, however often it is asked for; of the health pages it may be any.

    A load balancer asks for these by the task's own address, as `Host: 10.0.1.23:8000`, which no list of allowed hosts
    holds. They put no host into what they answer. Stands before all that asks for the host.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        look, host = request.get_host, "health.invalid" if request.path_info.startswith(HEALTH) else ""

        def get_host() -> str:
            nonlocal host
            # functools.cache takes as long to make as it spares here.
            host = host or look()
            return host

        request.get_host = get_host  # type: ignore[method-assign]
        return self._get_response(request)
