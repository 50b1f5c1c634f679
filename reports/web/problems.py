"""
The one place where an error becomes an HTTP answer: problem details for programs, a page for people.

Source: RFC 9457, "Problem Details for HTTP APIs".
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Collection, ItemsView, Iterable, Mapping, Sequence
from http import HTTPStatus
from types import FrameType
from typing import Any

from django.contrib.sessions.exceptions import SessionInterrupted
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.template import loader
from django.views.debug import SafeExceptionReporterFilter
from rest_framework import exceptions
from rest_framework.response import Response

from reports.queue import QueueUnavailable, RedriveKeyMissing
from reports.report import InvalidReport
from reports.store import StoreUnavailable
from reports.web import ingestion
from reports.web.access import visitor_of
from trashsite.database import DATABASE_DOWN

MEDIA_TYPE = "application/problem+json"
#: The lab's own words, which its clients look for.
UNKNOWN_CAN = "Error: Trash Can not found"
RETRY_AFTER_S = 5
_RETRY = f"Try again in {RETRY_AFTER_S} seconds."
_STORE_DOWN = f"The store of levels (DynamoDB) does not answer. {_RETRY}"
_QUEUE_DOWN = f"The queue (SQS) does not answer. {_RETRY}"
_SIGN_IN = "Sign in, or send an API token in the header Authorization: Bearer KEY."
_DATABASE_DOWN = f"The database of users and details cannot be reached. {_RETRY}"

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


class TooMany(exceptions.APIException):
    status_code = 429

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"Too many requests. Try again in {int(wait_s)} seconds.")
        self.wait = wait_s


class Unavailable(exceptions.APIException):
    status_code = 503
    wait = RETRY_AFTER_S


class DatabaseAway(Unavailable):
    default_detail = _DATABASE_DOWN


class Unconfirmed(Unavailable):
    """SQS may or may not have what was sent: its answer did not come."""

    default_detail = (
        "The queue (SQS) did not confirm that it has the reports. "
        f"Send them again in {RETRY_AFTER_S} seconds: a report that arrives twice does no harm."
    )


class InvalidQuery(ValueError):
    """
    A query parameter that breaks a rule: which, and what rule.

    on_page: the rule beside the field of a page's form; where the rule names another parameter, with that one's label.
    """

    def __init__(self, field: str, rule: str, *, on_page: str = "") -> None:
        super().__init__(f"{field} {rule}")
        self.field = field
        self.rule = rule
        self.on_page = on_page or rule

    def beside(self, fields: Collection[str]) -> dict[str, str]:
        """Return the rule by its field, where a form has it; else by "", with the parameter's name before it."""
        return {self.field: self.on_page} if self.field in fields else {"": str(self)}


class InvalidFields(ValueError):
    """What was sent breaks rules: pairs of the field and its rule, all at once."""

    def __init__(self, detail: str, wrong: Sequence[tuple[str, str]]) -> None:
        super().__init__(detail)
        self.wrong = wrong

    @classmethod
    def of(cls, detail: str, errors: Mapping[str, Any]) -> InvalidFields:
        """Return what a serializer found wrong; what is no object at all is an error of the message."""
        named = ((name if name != "non_field_errors" else "message", said) for name, said in errors.items())
        return cls(
            detail,
            [(name, " ".join(map(str, said) if isinstance(said, list) else [str(said)])) for name, said in named],
        )

    @classmethod
    def of_file(cls, errors: Iterable[str]) -> InvalidFields:
        """Return what is wrong with the lines of a file of which nothing is taken."""
        return cls("Nothing was imported.", [("file", error) for error in errors])


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
            return answer(Unavailable(_STORE_DOWN))
        case QueueUnavailable():
            log.warning("queue unavailable: %s", error)
            return answer(Unavailable(_QUEUE_DOWN))
        case RedriveKeyMissing():
            log.warning("%s", error)
            return answer(Unavailable(str(error)))
        case _ if isinstance(error, DATABASE_DOWN):
            log.warning("database unavailable: %s", error)
            return answer(Unavailable(_DATABASE_DOWN))
        case InvalidQuery():
            return Response(Problem(400, str(error), [{"field": error.field, "rule": error.rule}]), status=400)
        case InvalidFields():
            fields = [{"field": field, "rule": rule} for field, rule in error.wrong]
            return Response(Problem(400, str(error), fields), status=400)
        case InvalidReports():
            count = len(error.invalid)
            detail = f"Nothing was sent: {count} {'report is' if count == 1 else 'reports are'} invalid."
            wrong = [{"index": each.index, "field": each.field, "rule": each.rule} for each in error.invalid]
            return Response(Problem(400, detail, wrong), status=400)
        case RequestDataTooBig():
            return answer(TooLarge())
        case UnreadablePostError():
            return answer(exceptions.ParseError("The request broke off."))
        case exceptions.Throttled():
            return answer(TooMany(getattr(error, "wait", None) or RETRY_AFTER_S))
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
    if isinstance(error, exceptions.NotAuthenticated):
        text = _SIGN_IN
    return Response(Problem(error.status_code, text), status=error.status_code, headers=headers)


def plain(
    request: HttpRequest, status: int, detail: str, *, safe: bool = False, is_old_form: bool = False
) -> HttpResponse:
    """
    Answer outside the API's views, where nothing has negotiated: a page if the client asked for HTML.

    safe: use nothing that may be what broke, so neither the session nor the user. is_old_form: refused since the
    form's CSRF token is not valid any more.
    """
    problem = Problem(status, detail)
    if "text/html" not in request.headers.get("Accept", ""):
        return HttpResponse(json.dumps(problem), status=status, content_type=MEDIA_TYPE)
    page = loader.get_template("reports/problem_plain.html")
    context: dict[str, Any] = {"problem": problem, "is_old_form": is_old_form}
    if not safe:
        context["visitor"] = visitor = visitor_of(request)
        context["ingestion"] = ingestion.told_to(visitor)
    return HttpResponse(page.render(context, None if safe else request), status=status)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if isinstance(exception, RequestDataTooBig):
        return plain(request, 413, "The request is too large.")
    if isinstance(exception, SessionInterrupted) and _is_database_down(exception):
        # Django takes a session that could not be saved for one that was deleted meanwhile.
        return _database_down(request, exception)
    return plain(request, 400, "The server cannot read this request.")


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return plain(request, 403, "You are not allowed to do this.")


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return plain(request, 404, "There is nothing at this address.")


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer what no view answered: 503 where the database is out of reach, also to a middleware, else 500."""
    error = sys.exc_info()[1]
    if isinstance(error, DATABASE_DOWN):
        return _database_down(request, error)
    if "text/html" in request.headers.get("Accept", ""):
        return HttpResponse(loader.get_template("reports/failed.html").render(), status=500)
    return plain(request, 500, "The server failed because of a defect in it. The error is in its log.", safe=True)


def _database_down(request: HttpRequest, error: Exception) -> HttpResponse:
    log.warning("database unavailable: %s", error)
    answer = plain(request, 503, _DATABASE_DOWN, safe=True)
    answer["Retry-After"] = str(RETRY_AFTER_S)
    return answer


def _is_database_down(error: BaseException | None) -> bool:
    """Say whether this error, or one that it was raised over, is that the database is out of reach."""
    return error is not None and (isinstance(error, DATABASE_DOWN) or _is_database_down(error.__context__))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    detail = "This form is out of date. Go back, load the page again, and send the form again."
    return plain(request, 403, detail, is_old_form=True)
