"""What all views of the API share: what they refuse with, the rate limit in each answer, and addresses."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request, clone_request
from rest_framework.response import Response
from rest_framework.views import APIView

from reports.web import ingestion, raw_forms, schemas
from reports.web.access import Visitor, visitor_of
from reports.web.parsers import ReportFormParser
from reports.web.problems import MEDIA_TYPE, answered
from reports.web.raw_forms import RawForm
from reports.web.rendering import JSONRenderer, PageRenderer

#: What every view may refuse with.
REFUSALS = {(code, MEDIA_TYPE): schemas.ProblemAnswer for code in (400, 401, 403, 406, 429, 503)}
UNKNOWN = {(404, MEDIA_TYPE): schemas.ProblemAnswer}
UNREAD = {(code, MEDIA_TYPE): schemas.ProblemAnswer for code in (413, 415)}
_CURSOR = OpenApiParameter(
    "cursor", str, description="From `next` or `previous`; valid only with the same filter and page_size."
)


def whole_number(name: str, least: int, most: int, description: str) -> OpenApiParameter:
    """Return the schema of a parameter that takes a whole number within bounds."""
    bounds = {"type": "integer", "minimum": least, "maximum": most}
    return OpenApiParameter(name, bounds, description=description)


def page_parameters(most: int) -> list[OpenApiParameter]:
    rows = whole_number("page_size", 1, most, "Rows on a page at most (default: 50); fewer where attributes are large.")
    return [rows, _CURSOR]


_default_headers: dict[type[APIView], dict[str, str]] = {}


class ApiView(APIView):
    """
    What all views of the API share: each answer tells how much of the rate limit is left.

    is_page: whether a page was negotiated. Then get() answers with a Page that holds all it shows (see
    reports.web.rendering), else with what programs read, and prepares nothing else.
    tells_ingestion: whether a page says when no report is being stored; not where strangers may ask.
    samples: by method, the text with which its raw form begins (reports.web.raw_forms).
    """

    is_page = False
    tells_ingestion = True
    samples: Mapping[str, str] = MappingProxyType({})

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        made = super().initialize_request(raw_forms.unwrapped(request), *args, **kwargs)
        # Each step looks at them, and the framework would fail to find them here first, each time.
        made.META, made.method = request.META, request.method
        return made

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if isinstance(request.accepted_renderer, PageRenderer):
            self.is_page = True
            visitor = request.visitor = visitor_of(request)  # type: ignore[attr-defined]
            if self.tells_ingestion:
                request.ingestion = ingestion.current()  # type: ignore[attr-defined]
            request.raw_forms = self._raw_forms(request, visitor)  # type: ignore[attr-defined]

    def _raw_forms(self, request: Request, visitor: Visitor) -> list[RawForm]:
        """Return a form for OPTIONS, and for each method by which this visitor may change something here."""
        media_type = next(each.media_type for each in self.parser_classes if each is not ReportFormParser)
        forms = [RawForm("OPTIONS")]
        # Of whom nothing is known, the database is not asked again what they may.
        for method in ("POST", "PUT", "PATCH", "DELETE") if visitor.name else ():
            if hasattr(self, method.lower()) and self._may(clone_request(request, method)):
                forms.append(RawForm(method, "" if method == "DELETE" else media_type))
        return forms

    @property
    def default_response_headers(self) -> dict[str, str]:
        """The same for all requests of a view, so found out once; the framework takes from it."""
        if type(self) not in _default_headers:
            _default_headers[type(self)] = super().default_response_headers
        return {**_default_headers[type(self)]}

    def _may(self, request: Request) -> bool:
        return all(each.has_permission(request, self) for each in self.get_permissions())

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        if rate_limit := getattr(request, "rate_limit", None):
            response["RateLimit-Limit"] = rate_limit.limit
            response["RateLimit-Remaining"] = max(0, rate_limit.left)
            response["RateLimit-Reset"] = rate_limit.reset_s
        if not isinstance(response, Response):
            # Written already, so no form has to be shown. Else the view would hold itself, by way of its request and
            # of the method for HEAD (see trashsite.server.handler).
            request.parser_context.clear()
            self.__dict__.pop("head", None)
        return super().finalize_response(request, response, *args, **kwargs)


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """Answer what a view raised; None, and so a 500, for what nobody foresaw."""
    request = context["request"]
    asked = getattr(request, "accepted_renderer", None)
    if not isinstance(asked, JSONRenderer | PageRenderer):
        # Whoever asked for CSV or YAML, or for what there is not, reads a problem as JSON all the same, and a browser
        # as a page.
        media_type = asked.media_type if asked else request.headers.get("Accept", "")
        told = PageRenderer() if PageRenderer.media_type in media_type else JSONRenderer()
        request.accepted_renderer, request.accepted_media_type = told, told.media_type
    if isinstance(getattr(request, "accepted_renderer", None), PageRenderer) and not hasattr(request, "visitor"):
        # Refused before the view prepared the frame of its page.
        request.visitor = visitor_of(request)
        if getattr(context["view"], "tells_ingestion", False):
            request.ingestion = ingestion.told_to(request.visitor)
    return answered(error)


def query_of(request: Request) -> Mapping[str, str]:
    """Return a request's parameters; of a request without any the framework would parse nothing, at some length."""
    return request.query_params if request.META.get("QUERY_STRING") else {}


def root_address(request: Request) -> str:
    """Return the absolute address of the fleet, under which every can has its own."""
    # Through the framework's own request each of these takes twice as long.
    plain = request._request
    return f"{plain.scheme}://{plain.get_host()}{_fleet_path(plain.META.get('SCRIPT_NAME', ''))}"


@cache
def _fleet_path(_prefix: str) -> str:
    # Asked for by every answer, and the same for ever under one prefix: 5 % of a can's answer otherwise.
    return reverse("fleet")


def page_address(request: Request, path: str, cursor: str | None) -> str | None:
    """Return the address of another page: this one's filter, and the cursor."""
    return f"{path}?{asked(request, cursor=cursor)}" if cursor else None


def asked(request: Request, *without: str, **changed: str) -> str:
    """Return the query string, but for some parameters, and with some changed; empty ones are left out."""
    query = {**request.query_params.dict(), **changed}
    return urlencode({name: value for name, value in query.items() if value and name not in without})
