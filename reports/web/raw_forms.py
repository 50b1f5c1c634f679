"""
Raw forms: how a page sends what no HTML form can, as a PUT with JSON, also without JavaScript.

A raw form is a POST to the page's own address with `?raw=`, whose fields hold method, media type and body of the
request that is meant. It counts as that request in all that follows: who may, how often, what a body may be.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest

PARAMETER = "raw"
METHODS = frozenset({"OPTIONS", "POST", "PUT", "PATCH", "DELETE"})


@dataclass(frozen=True, slots=True)
class RawForm:
    """A form of one method; media_type is "" where nothing is sent. is_sent: whether this page answers it."""

    method: str
    media_type: str = ""
    text: str = ""
    is_sent: bool = False


def unwrapped(request: HttpRequest) -> HttpRequest:
    """
    Turn a raw form into the request that it describes, and note what was sent as `raw_sent`; leave others as they are.

    Its CSRF token goes along as the header in which other methods than POST have one. Raises RequestDataTooBig.
    """
    if request.method != "POST" or PARAMETER not in request.GET:
        return request
    form = request.POST
    sent = RawForm(form.get("raw_method", ""), form.get("raw_type", ""), form.get("raw_body", ""), is_sent=True)
    if sent.method not in METHODS:
        return request
    query = request.GET.copy()
    del query[PARAMETER]
    request.GET = query  # type: ignore[assignment]
    body = sent.text.encode(errors="surrogatepass")
    request.META |= {
        "QUERY_STRING": query.urlencode(),
        "CONTENT_TYPE": sent.media_type,
        "CONTENT_LENGTH": str(len(body)),
    }
    if token := form.get("csrfmiddlewaretoken"):
        request.META[settings.CSRF_HEADER_NAME] = token
    request.method = sent.method
    request._body = body
    request.raw_sent = sent  # type: ignore[attr-defined]
    return request
