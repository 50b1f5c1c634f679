"""Django as this server calls it: a request goes in as WSGI tells it, and Django's own response comes out."""

from __future__ import annotations

from typing import Any

from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_started
from django.http import HttpResponseBase

Headers = list[tuple[bytes, bytes]]


class Handler(WSGIHandler):
    """Django's WSGI application, which any other server may call; ours leaves out what PEP 3333 puts between."""

    def respond(self, environ: dict[str, Any]) -> HttpResponseBase:
        """
        Return the response to a request; whoever has sent it closes it. Raises nothing that a view raises.

        The site is at the root of its server, so no prefix of addresses is set.
        """
        request_started.send(sender=type(self), environ=environ)
        request = self.request_class(environ)
        response = self.get_response(request)
        response._handler_class = type(self)  # type: ignore[attr-defined]
        # What middleware keeps in a request holds the request in turn. Until Python looks for such cycles, none of it
        # would be freed; and to look took 3 % of the CPU of a can's answer.
        response._resource_closers.append(request.__dict__.clear)  # type: ignore[attr-defined]
        return response


def headers_of(response: HttpResponseBase) -> Headers:
    """Return a response's headers, cookies among them, as they are sent."""
    # What items() tells is looked up once more, one by one: 4 % of the CPU of a can's answer.
    told = [*response.headers._store.values()]
    told += [("Set-Cookie", cookie.output(header="")) for cookie in response.cookies.values()]
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in told]
