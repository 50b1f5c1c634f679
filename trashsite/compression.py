"""Pages compressed on their way; the API's answers are small, and many: their CPU goes into other things."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase
from django.middleware.gzip import GZipMiddleware


class PageCompressionMiddleware(GZipMiddleware):
    """
    Compress HTML for browsers that take it.

    Django pads what it compresses by a random length, against guessing a page's secrets by its size (BREACH).
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if not response.get("Content-Type", "").startswith("text/html"):
            return response
        return super().process_response(request, response)
