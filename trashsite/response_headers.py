"""Headers that every answer gets: who may keep it, the Content-Security-Policy, and compression for pages."""

from __future__ import annotations

from csp.middleware import CSPMiddleware
from django.http import HttpRequest, HttpResponseBase
from django.middleware.gzip import GZipMiddleware

#: Answers that no browser renders need no source; and the policy for pages took 5 % of the time of a can's answer.
NOTHING = "default-src 'none'; frame-ancestors 'none'"


#: Of an answer whose view says nothing else: no shared cache keeps it, and a browser asks again before it shows it.
KEPT_BY = "private, no-cache"


class PolicyMiddleware(CSPMiddleware):
    """Sets django-csp's policy on pages, a constant one on all other answers, and Cache-Control where no view did."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        response.headers.setdefault("Cache-Control", KEPT_BY)
        if response.headers.get("Content-Type", "").startswith("text/html"):
            return super().process_response(request, response)
        response.headers.setdefault("Content-Security-Policy", NOTHING)
        return response


class PageCompressionMiddleware(GZipMiddleware):
    """
    Compresses HTML for browsers that accept it.

    Django adds a random length, so that a page's size does not reveal its secrets (BREACH).
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if not response.get("Content-Type", "").startswith("text/html"):
            return response
        return super().process_response(request, response)
