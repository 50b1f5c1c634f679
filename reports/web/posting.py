"""Reports that are posted, as JSON or by a page's form: checked, and sent to the queue all together or not at all."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from django.http import QueryDict
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from reports import queue
from reports.formats.native import parse
from reports.report import InvalidReport
from reports.web.answers import can_links
from reports.web.parsers import reports_in
from reports.web.problems import InvalidReports, TooLarge, Unconfirmed, answered
from reports.web.rendering import Page
from reports.web.view import root_address

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PostPage(Page):
    """
    What became of a form: cans to look at, or the form again with what was typed and the rules that it breaks.

    wrong: by field, the rule. errors: what is wrong with reports sent as JSON, by their position.
    """

    template: ClassVar[str] = "reports/posted.html"

    typed: Mapping[str, str]
    wrong: Mapping[str, str]
    errors: Sequence[InvalidReport] = ()


def posted(request: Request, *, is_page: bool) -> Response:
    """
    Send the reports of a request to the queue, and return the answer: 202, or the form again with the rules it breaks.

    Raises InvalidQuery, InvalidReports, TooLarge, Unconfirmed.
    """
    body = reports_in(request.data)
    parsed = parse(body, timezone.now())
    if invalid := [each for each in parsed if isinstance(each, InvalidReport)]:
        if is_page and isinstance(request.data, QueryDict):
            return Response(_form_again(request.data, InvalidReports(invalid)), status=400)
        raise InvalidReports(invalid)
    reports = [each for each in parsed if not isinstance(each, InvalidReport)]
    # Two characters that JSON takes and SQS does not: written as JSON escapes, they say the same.
    text = body.decode().replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")
    if not text.lstrip().startswith("["):
        # An object alone may look like a Celery call too, whose reports are others than those judged here.
        text = f"[{text}]"
    if len(text.encode()) > queue.MAX_BYTES:
        raise TooLarge
    try:
        message_ids = queue.publish([text])
    except queue.QueueUnavailable as error:
        log.warning("reports unconfirmed: %s", error)
        raise Unconfirmed from error
    root = root_address(request)
    cans = {report.can_id: can_links(root, report.can_id) for report in reports}
    data = {
        "accepted": len(reports),
        "message_ids": message_ids,
        "results": [{"can_id": can_id, "links": links} for can_id, links in cans.items()],
    }
    return Response(
        PostPage(data, typed={}, wrong={}) if is_page else data,
        status=202,
        headers={"Location": next(iter(cans.values()))["self"]} if len(cans) == 1 else None,
    )


def _form_again(typed: QueryDict, error: InvalidReports) -> PostPage:
    problem = answered(error)
    assert problem is not None
    is_json = bool(typed.get("report", "").strip())
    wrong = {} if is_json else {each.field: each.rule for each in error.invalid}
    if "message" in wrong:
        # Nothing was filled in.
        wrong = {"can_id": "is missing", "level": "is missing"}
    return PostPage(
        problem.data,
        typed={name: str(typed[name]) for name in typed},
        wrong=wrong,
        errors=error.invalid if is_json else (),
    )
