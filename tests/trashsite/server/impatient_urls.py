"""The site's addresses, and views that stream, for test_server.py."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

_open: set[int] = set()
_numbers = itertools.count()


def endless(request: HttpRequest) -> StreamingHttpResponse:
    def lines() -> Iterator[str]:
        number = next(_numbers)
        _open.add(number)
        try:
            while True:
                yield "a line of an export\n"
        finally:
            _open.discard(number)

    return StreamingHttpResponse(lines())


def large(request: HttpRequest) -> HttpResponse:
    """A page of five megabytes, ready before any of it is sent."""
    return HttpResponse(b"0123456789" * 500_000)


def broken(request: HttpRequest) -> StreamingHttpResponse:
    def lines() -> Iterator[str]:
        yield "a line of an export\n"
        raise RuntimeError("the store went away")

    return StreamingHttpResponse(lines())


def are_open(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(len(_open)))


_taken: list[bytes] = []


@csrf_exempt
def take(request: HttpRequest) -> HttpResponse:
    _taken.append(request.body)
    return HttpResponse("taken")


def taken(request: HttpRequest) -> HttpResponse:
    return HttpResponse(b",".join(_taken))


urlpatterns = [
    path("take", take),
    path("taken", taken),
    path("endless", endless),
    path("broken", broken),
    path("large", csrf_exempt(large)),
    path("open", are_open),
    path("", include("trashsite.urls")),
]
