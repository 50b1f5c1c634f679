"""
The one place where an error becomes an HTTP answer: problem details for programs, a page for people.

Source: RFC 9457, "Problem Details for HTTP APIs".
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import ItemsView, Mapping, Sequence
from http import HTTPStatus
from types import FrameType
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.template import loader
from django.views.debug import SafeExceptionReporterFilter
from rest_framework import exceptions
from rest_framework.response import Response

from reports.queue import QueueUnavailable, RedriveKeyMissing
from reports.report import InvalidReport
from reports.store import StoreUnavailable

MEDIA_TYPE = "application/problem+json"
#: The lab's own words, which its clients look for.
UNKNOWN_CAN = "Error: Trash Can not found"
RETRY_AFTER_S = 5

log = logging.getLogger(__name__)


class Problem(dict[str, Any]):
    """Problem details: type, title, status, detail, and `errors` where several things are wrong."""

    def __init__(self, status: int, detail: str, errors: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(type="about:blank", title=HTTPStatus(status).phrase, status=status, detail=detail)
        if errors:
            self["errors"] = list(errors)


class UnknownCan(exceptions.NotFound):
    default_detail = UNKNOWN_CAN


class TooLarge(exceptions.APIException):
    status_code = 413
    default_detail = "The request is too large."


class Unavailable(exceptions.APIException):
    status_code = 503
    wait = RETRY_AFTER_S


class InvalidQuery(ValueError):
    """A query parameter that breaks a rule: which, and what rule."""

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"{field} {rule}")
        self.field = field
        self.rule = rule


class InvalidReports(ValueError):
    """Reports sent to the API, of which none is taken, since these are not fit to be stored."""

    def __init__(self, invalid: Sequence[InvalidReport]) -> None:
        super().__init__(f"{len(invalid)} invalid")
        self.invalid = invalid


class WithoutVariables(SafeExceptionReporterFilter):
    """DEBUG's page for an error, less what the variables held: tokens, and the database's password, are among them."""

    # The server adds the whole environment to each request's.
    hidden_settings = re.compile(f"{SafeExceptionReporterFilter.hidden_settings.pattern}|DATABASE_URL", re.IGNORECASE)

    def get_traceback_frame_variables(self, request: HttpRequest | None, tb_frame: FrameType) -> ItemsView[str, Any]:
        return {}.items()


def answered(error: Exception) -> Response | None:
    """Return the answer to what a view raised; None, and so a 500, for what nobody foresaw."""
    match error:
        case StoreUnavailable():
            log.warning("store unavailable: %s", error)
            return answer(Unavailable("The store of levels cannot be reached. Try again in a moment."))
        case QueueUnavailable():
            log.warning("queue unavailable: %s", error)
            return answer(Unavailable("The queue cannot be reached. Nothing was sent: try again in a moment."))
        case RedriveKeyMissing():
            log.warning("%s", error)
            return answer(Unavailable(str(error)))
        case InvalidQuery():
            wrong = {"field": error.field, "rule": error.rule}
            return Response(Problem(400, str(error), [wrong]), status=400)
        case InvalidReports():
            count = len(error.invalid)
            detail = f"Nothing was sent: {count} {'report is' if count == 1 else 'reports are'} invalid."
            found = [{"index": one.index, "field": one.field, "rule": one.rule} for one in error.invalid]
            return Response(Problem(400, detail, found), status=400)
        case RequestDataTooBig():
            return answer(TooLarge())
        case UnreadablePostError():
            return answer(exceptions.ParseError("The request broke off."))
        case Http404():
            return answer(exceptions.NotFound())
        case PermissionDenied():
            return answer(exceptions.PermissionDenied())
        case exceptions.APIException():
            return answer(error)
    return None


def answer(error: exceptions.APIException) -> Response:
    """Return the answer that one of the framework's errors stands for."""
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait))
    detail = error.detail
    text = str(detail) if isinstance(detail, str) else json.dumps(detail)
    return Response(Problem(error.status_code, text), status=error.status_code, headers=headers)


def plain(request: HttpRequest, status: int, detail: str, *, safe: bool = False) -> HttpResponse:
    """
    Answer outside the API's views, where nothing has negotiated: a page if the client asked for HTML.

    safe: use nothing that may be what broke, so neither the session nor the user.
    """
    problem = Problem(status, detail)
    if "text/html" not in request.headers.get("Accept", ""):
        return HttpResponse(json.dumps(problem), status=status, content_type=MEDIA_TYPE)
    page = loader.get_template("reports/problem_plain.html")
    return HttpResponse(page.render({"problem": problem}, None if safe else request), status=status)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if isinstance(exception, RequestDataTooBig):
        return plain(request, 413, "The request is too large.")
    return plain(request, 400, "The request cannot be understood.")


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return plain(request, 403, "You may not do this.")


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return plain(request, 404, "There is nothing at this address.")


def server_error(request: HttpRequest) -> HttpResponse:
    return plain(request, 500, "Something broke on our side. It has been logged.", safe=True)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return plain(request, 403, "This form is out of date. Go back, load the page again, and send it anew.")
