"""Answers as bytes: JSON that keeps every digit, and pages; and which of them a request gets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from http import HTTPStatus
from itertools import accumulate
from typing import Any, ClassVar

import orjson
from django.conf import settings
from django.template import loader
from django.utils.encoding import escape_uri_path
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from reports.can_id import is_can_id
from reports.formats.ngsi_ld import waste_container
from reports.formats.senml import pack
from reports.insight.status import Status
from reports.report import CAN_ID_RULE, Report, percent
from reports.web.access import Visitor
from reports.web.answers import JsonText, Listing, NeverRow, PastRow, Row
from reports.web.problems import MEDIA_TYPE, UNKNOWN_CAN, Problem
from reports.web.raw_forms import PARAMETER, RawForm


def to_json(data: Any, *, indent: bool = False) -> bytes:
    """
    Write an answer: values that know their JSON are asked for it, ready texts stand in it as they are.

    Half of a surrogate pair, which UTF-8 cannot hold, becomes the text of its escape.
    """
    option = orjson.OPT_PASSTHROUGH_DATACLASS | (orjson.OPT_INDENT_2 if indent else 0)
    try:
        return orjson.dumps(data, _json_of, option)
    except TypeError:
        return orjson.dumps(_in_utf_8(data), _json_of, option)


def _json_of(value: Any) -> Any:
    return orjson.Fragment(value.text) if isinstance(value, JsonText) else value.json()


def _in_utf_8(value: Any) -> Any:
    match value:
        case str():
            return value.encode(errors="backslashreplace").decode()
        case dict():
            return {_in_utf_8(name): _in_utf_8(member) for name, member in value.items()}
        case list() | tuple():
            return [_in_utf_8(element) for element in value]
        case None | bool() | int() | float():
            return value
        case JsonText():
            return JsonText(_in_utf_8(value.text))
    return _in_utf_8(value.json())


class JSONRenderer(BaseRenderer):
    media_type = "application/json"
    format = "json"
    charset = None
    render_style = "binary"

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        if data is None:
            return b""
        if isinstance(data, Problem) and renderer_context:
            renderer_context["response"]["Content-Type"] = MEDIA_TYPE
        return to_json(self.in_words_of_format(data))

    def in_words_of_format(self, data: Any) -> Any:
        """Return what is written of an answer: the answer as it is, or what another format makes of reports."""
        return data


class CSVRenderer(BaseRenderer):
    """Only a name to ask for: the view itself answers with the file."""

    media_type = "text/csv"
    format = "csv"


class FiwareRenderer(JSONRenderer):
    """Newest reports as FIWARE's WasteContainers: one entity, or an array of them."""

    media_type = "application/ld+json"
    format = "fiware"

    def in_words_of_format(self, data: Any) -> Any:
        if isinstance(data, Listing):
            return [waste_container(_report(row)) for row in data.rows]
        return waste_container(_report(data)) if isinstance(data, Row | NeverRow) else data


class SenMLRenderer(JSONRenderer):
    """Newest reports as one SenML pack of OMA's object 3435."""

    media_type = "application/senml+json"
    format = "senml"

    def in_words_of_format(self, data: Any) -> Any:
        if not isinstance(data, Listing | Row | NeverRow):
            return data
        rows = data.rows if isinstance(data, Listing) else [data]
        full = {row.can_id for row in rows if isinstance(row, Row) and _is_full(row)}
        return pack([_report(row) for row in rows], is_full=lambda report: report.can_id in full)


def _is_full(row: Row) -> bool:
    """Say whether a can is full, also where something more urgent is its status."""
    level = percent(row.report.level)
    is_above = level is not None and level >= Decimal(row.standing.full_from)
    return row.status is Status.FULL or (is_above and row.status in (Status.FIRE, Status.TILT, Status.SUSPECT))


def _report(row: Row | NeverRow | PastRow) -> Report:
    """Return a row's report; without a level and a time where the can never reported."""
    return Report(row.can_id, "", None, None) if isinstance(row, NeverRow) else row.report


@dataclass(frozen=True)
class Page:
    """
    An answer with all that its page shows besides, prepared by the view: drawing it asks no store and no database.

    Subclasses name the template, which finds the answer as `data` and the whole as `page`.
    """

    template: ClassVar[str]

    answer: Any


class PageRenderer(BaseRenderer):
    """
    Draws an answer as a page: a Page by its template, any other answer as what was asked and answered.

    It runs after the last place that turns an error into an answer, so it only draws what it is given: the answer,
    and `visitor` and `ingestion`, which ApiView or the exception handler put on the request. A view asks for the form
    that sends a report with `takes_reports`.
    """

    media_type = "text/html"
    format = "api"
    charset = "utf-8"
    #: More JSON than this is a link, not part of the page.
    shown_bytes = 8_000

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> str:
        around = renderer_context or {}
        view, request, response = (around[name] for name in ("view", "request", "response"))
        visitor = getattr(request, "visitor", None) or Visitor()
        answer = data.answer if isinstance(data, Page) else data
        status_text = f"{response.status_code} {response.reason_phrase}"
        if response.status_code == HTTPStatus.NO_CONTENT:
            # A browser would stay on the page before.
            response.status_code = HTTPStatus.OK
        raw_forms = _raw_forms(view, request)
        context: dict[str, Any] = {
            "data": answer,
            "visitor": visitor,
            "ingestion": getattr(request, "ingestion", None),
            "view": view,
            "name": view.get_view_name(),
            "method": request.method,
            "address": request.build_absolute_uri(),
            "json_address": _with_format(request, "json") if _has_json(view, request) else "",
            "response": response,
            "status_text": status_text,
            "allowed_methods": view.allowed_methods,
            "time_zone": settings.TRASH_TIME_ZONE,
            "reads_open": settings.TRASH_READS == "open",
            "raw_address": f"{escape_uri_path(request.path)}?{PARAMETER}=yes",
            "raw_forms": raw_forms,
            "raw_is_sent": any(form.is_sent for form in raw_forms),
            "may_post": getattr(view, "takes_reports", False) and "accounts.post_reports" in visitor.rights,
        }
        if isinstance(data, Problem):
            template = "reports/problem.html"
            if data["detail"] == UNKNOWN_CAN:
                context["unknown_can"] = can_id = view.kwargs.get("can_id", "")
                context["id_rule"] = "" if is_can_id(can_id) else CAN_ID_RULE
                # Most typing errors in an id are at its end.
                context["mistyped"] = can_id[:-1][:32]
        elif isinstance(data, Page):
            template = data.template
            context["page"] = data
        else:
            template = "rest_framework/api.html"
        context["body"] = _shown_json(answer, self.shown_bytes)
        return str(loader.get_template(template).render(context, request._request))


def _shown_json(answer: Any, most: int) -> str | None:
    """Return an answer's JSON in lines; None where it has more characters than `most`."""
    # Not all rows of a long list are written only to learn that they are too many to show.
    parts = answer.rows if isinstance(answer, Listing) else () if answer is None else (answer,)
    if any(chars > most for chars in accumulate(len(to_json(part).decode()) for part in parts)):
        return None
    body = "" if answer is None else to_json(answer, indent=True).decode()
    return body if len(body) <= most else None


def _raw_forms(view: Any, request: Any) -> list[RawForm]:
    """Return the raw forms of this page: each with what was sent by it, else with the view's sample."""
    sent = getattr(request._request, "raw_sent", None)
    return [
        replace(form, text=sent.text, is_sent=True)
        if sent and sent.method == form.method
        else replace(form, text=view.samples.get(form.method, ""))
        for form in getattr(request, "raw_forms", ())
    ]


def _has_json(view: Any, request: Any) -> bool:
    return request.method == "GET" and JSONRenderer in view.renderer_classes


def _with_format(request: Any, name: str) -> str:
    query = request.query_params.copy()
    query["format"] = name
    # A can's id may hold a question mark.
    return f"{escape_uri_path(request.path)}?{query.urlencode()}"


class ContentNegotiation(DefaultContentNegotiation):
    """The framework's own, but at once where a program leaves it to us, or asks for what we should choose."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        first = next(iter(renderers))
        if request.META.get("HTTP_ACCEPT", "*/*") in ("*/*", first.media_type) and not request.META.get("QUERY_STRING"):
            return first, str(first.media_type)
        chosen: tuple[BaseRenderer, str] = super().select_renderer(request, renderers, format_suffix)
        return chosen
