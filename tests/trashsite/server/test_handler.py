"""Django as the server calls it."""

from __future__ import annotations

from django.core.signals import request_finished, request_started
from django.http import HttpResponse

from trashsite.server.between_requests import leave_out_idle_steps
from trashsite.server.handler import headers_of


def test_headers_are_sent_as_any_wsgi_server_would_get_them() -> None:
    response = HttpResponse(b"x", headers={"X-Name": "é", "ETag": '"1"'})
    response.set_cookie("one", "1", httponly=True)
    response.set_cookie("two", "2")

    told = [*response.items(), *(("Set-Cookie", each.output(header="")) for each in response.cookies.values())]

    assert headers_of(response) == [(name.encode("latin-1"), value.encode("latin-1")) for name, value in told]


def test_between_requests_connections_are_closed_and_nothing_else_is_done() -> None:
    signals = (request_started, request_finished)
    before = [signal.receivers[:] for signal in signals]
    try:
        leave_out_idle_steps()
        # Another name: a release of Django, or an app, has a step of its own, which may be needed.
        left = [[receiver[1]().__name__ for receiver in signal.receivers] for signal in signals]
    finally:
        for signal, receivers in zip(signals, before, strict=True):
            signal.receivers[:] = receivers
            signal.sender_receivers_cache.clear()

    assert left == [[], ["close_old_connections"]]
