"""The dead letters as staff see them: a sample, to send back or to discard."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, ClassVar

from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.core import signing
from django.db import transaction
from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from reports import queue
from reports.queue import DeadLetter, LetterKind
from reports.web import dead_letter_schemas, listed_letters
from reports.web.access import MaySeePipeline, may
from reports.web.answers import instant
from reports.web.parsers import ChoiceParser, ReportFormParser
from reports.web.problems import InvalidQuery
from reports.web.rendering import Page
from reports.web.view import REFUSALS, UNREAD, ApiView
from trashsite.database import DATABASE_DOWN

#: Letters in one listing.
MOST = 10
#: Listed letters are hidden from all others for so long: enough to choose and confirm.
HIDDEN_S = 120
#: Letters that are released at once are hidden for so long at most, should the release fail.
GLANCE_S = 5
#: A listing is good for as long as its letters are hidden, and a little more: then it must be listed again.
GOOD_FOR_S = 600
#: Larger letters are left to the commands: their text would travel through the form.
CARRIED = 64_000
_SALT = "reports.web.pipeline letter"
_OF = OpenApiParameter(
    "of",
    str,
    enum=list(LetterKind),
    default=LetterKind.REPORTS,
    description="Reports that could not be stored, or alerts that could not be delivered.",
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DeadLettersPage(Page):
    """
    One of three: the letters listed, the question whether they are to be sent back or discarded, what was done.

    kind: of what the letters are. address: of their list.
    """

    template: ClassVar[str] = "reports/dead_letters.html"

    kind: LetterKind
    address: str


class DeadLettersView(ApiView):
    """A sample of the dead letters, to send back or to discard."""

    permission_classes = (MaySeePipeline,)
    parser_classes = (ChoiceParser, ReportFormParser)
    samples = MappingProxyType({"POST": '{"action": "redrive", "letters": ["as a listing gave it as letter"]}'})

    @extend_schema(
        operation_id="dead_letters",
        parameters=[_OF],
        responses={200: dead_letter_schemas.DeadLettersAnswer, **REFUSALS},
        tags=["pipeline"],
    )
    def get(self, request: Request) -> Response:
        """
        List up to ten dead letters.

        Listing receives them: it raises their receive counts and hides them from everybody else for two minutes.
        Who listed them sees them again in each listing until then. For a HEAD, a read-only token, or a user who may
        not settle them, nothing is hidden; such letters cannot be settled, and `hidden_s` is 0.
        """
        kind = _kind(request)
        return self._answer(_listing(request, kind), kind)

    @extend_schema(
        operation_id="settle_dead_letters",
        request=dead_letter_schemas.Settle,
        responses={200: dead_letter_schemas.Settled, **UNREAD, **REFUSALS},
        tags=["pipeline"],
    )
    def post(self, request: Request) -> Response:
        """
        Redrive (send back to the queue) or discard listed dead letters, of reports or of alerts.

        An alert is sent by the rule that had failed, and by no other; for twelve hours, as a new one.
        A letter that this request did not settle is named in `again`. Where the admin's log knows that somebody
        settled it before, `settled_before` says who, when and how; else it is visible to others again, or gone.
        """
        if self.is_page and _is_nothing_chosen(request.data):
            kind = _kind(request)
            return self._answer({**_listing(request, kind), "nothing_chosen": True}, kind, status=400)
        action, tokens = _choice(request.data)
        letters = [_letter(token) for token in tokens]
        kind = letters[0].kind
        if isinstance(request.data, QueryDict) and request.data.get("confirmed") != "yes":
            return self._answer({"confirm": action, "letters": [_shown(letter) for letter in letters]}, kind)
        settled = queue.redrive(letters) if action == "redrive" else queue.discard(letters)
        by_id = {letter.message_id: letter for letter in letters}
        noted = _note(request.user.pk, action, [by_id[message_id] for message_id in settled.done])
        done = {
            "action": action,
            "done": list(settled.done),
            "again": list(settled.again),
            "settled_before": _settled_before(settled.again),
            "noted": noted,
        }
        return self._answer(done, kind)

    def _answer(self, data: dict[str, Any], kind: LetterKind, status: int = 200) -> Response:
        if not self.is_page:
            return Response(data, status=status)
        address = reverse("dead_letters") + ("" if kind is LetterKind.REPORTS else f"?of={kind}")
        return Response(DeadLettersPage(data, kind, address), status=status)


def _kind(request: Request) -> LetterKind:
    """Return of what letters are to be listed. Raises InvalidQuery."""
    try:
        return LetterKind(request.query_params.get("of") or LetterKind.REPORTS)
    except ValueError:
        raise InvalidQuery("of", f"must be {' or '.join(LetterKind)}") from None


def _listing(request: Request, kind: LetterKind) -> dict[str, Any]:
    """Return the letters that this user may settle, and how many others the queue has. Raises QueueUnavailable."""
    now = timezone.now()
    letters: list[dict[str, Any]] = []
    hidden_s, is_kept = 0, True
    if may(request, "accounts.redrive") and request.method != "HEAD":
        letters = listed_letters.kept(request.user.pk, kind, now)
        settled = {entry["message_id"] for entry in _log_entries([letter["message_id"] for letter in letters])}
        letters = [letter for letter in letters if letter["message_id"] not in settled]
        if (left := MOST - len(letters)) > 0:
            known = {letter["message_id"] for letter in letters}
            until = listed_letters.hidden_until(now, HIDDEN_S)
            new = [_shown(letter) for letter in queue.sample_letters(kind, most=left, hidden_s=HIDDEN_S)]
            letters += [{**letter, "hidden_until": until} for letter in new if letter["message_id"] not in known]
            is_kept = not letters or listed_letters.keep(request.user.pk, kind, letters, now, HIDDEN_S)
        hidden_s = min((_left_s(letter["hidden_until"], now) for letter in letters), default=0)
    elif request.method != "HEAD":
        sample = queue.sample_letters(kind, most=MOST, hidden_s=GLANCE_S, release=True)
        # What is visible to others cannot be settled: another reader may have received it since.
        letters = [{**_shown(letter), "letter": None, "hidden_until": None} for letter in sample]
    total = queue.count_dead_letters(kind)
    return {"letters": letters, "hidden_s": hidden_s, "total": total, "is_kept": is_kept}


def _left_s(until: str, now: datetime) -> int:
    at = parse_datetime(until)
    return max(0, int((at - now).total_seconds())) if at else 0


def _is_nothing_chosen(data: Any) -> bool:
    return isinstance(data, QueryDict) and data.get("action") in ("redrive", "discard") and not data.getlist("letters")


def _settled_before(message_ids: Sequence[str]) -> list[dict[str, Any]] | None:
    """Return what the admin's log knows of letters that could not be settled; None where it cannot be read."""
    try:
        return _log_entries(message_ids)
    except DATABASE_DOWN as error:
        log.warning("the admin's log cannot be read: %s", error)
        return None


def _log_entries(message_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return by whom, when and how letters were settled, as far as the admin's log knows it."""
    if not message_ids:
        return []
    entries = LogEntry.objects.filter(object_id__in=message_ids, content_type=None).select_related("user")
    last = {entry.object_id: entry for entry in entries.order_by("action_time") if entry.object_id}
    return [
        {
            "message_id": message_id,
            "action": "discard" if entry.action_flag == DELETION else "redrive",
            "by": entry.user.get_username(),
            "at": instant(entry.action_time),
        }
        for message_id, entry in last.items()
    ]


def _shown(letter: DeadLetter) -> dict[str, Any]:
    is_small = len(letter.body) <= CARRIED
    return {
        "message_id": letter.message_id,
        "reason": letter.reason,
        "field": letter.field,
        "error": letter.error,
        "summary": letter.summary,
        "sender_id": letter.sender_id,
        "body": letter.body if is_small else letter.body[:CARRIED],
        "is_cut": not is_small,
        "sent_at": instant(letter.sent_at),
        "receive_count": letter.receive_count,
        "moved_by_sqs": letter.moved_by_sqs,
        "first_message_id": letter.first_message_id,
        "index": letter.index,
        # What a later request needs to settle it: signed, so that it is ours, and short-lived as its handle is.
        "letter": signing.dumps(letter.fields(), salt=_SALT, compress=True) if is_small and letter.complete else None,
    }


def _letter(token: str) -> DeadLetter:
    try:
        return DeadLetter.from_fields(signing.loads(token, salt=_SALT, max_age=GOOD_FOR_S))
    except (signing.BadSignature, KeyError, TypeError, ValueError):
        raise InvalidQuery("letters", "must be from a listing of the last ten minutes: list again") from None


def _choice(data: Any) -> tuple[str, list[str]]:
    """Return what is to be done with which letters. Raises InvalidQuery."""
    action = data.get("action") if hasattr(data, "get") else None
    if action not in ("redrive", "discard"):
        raise InvalidQuery("action", "must be redrive or discard")
    tokens = data.getlist("letters") if isinstance(data, QueryDict) else data.get("letters")
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise InvalidQuery("letters", "must be a list of what a listing gave as `letter`")
    if not 1 <= len(tokens) <= 10:
        raise InvalidQuery("letters", "must be one to ten letters")
    return action, tokens


def _note(user_id: int | None, action: str, letters: Sequence[DeadLetter]) -> bool:
    """
    Note in the admin's log who sent back or discarded what; False where the database does not answer.

    The letters are settled by then, so that must not look like a failure: the web server's log has them instead.
    """
    assert user_id is not None  # None but operators come here.
    try:
        with transaction.atomic():
            for letter in letters:
                LogEntry.objects.create(
                    user_id=user_id,
                    object_id=letter.message_id,
                    object_repr=f"dead letter {letter.message_id}",
                    action_flag=DELETION if action == "discard" else CHANGE,
                    change_message=f"{action}: {letter.reason or 'moved by SQS'} {letter.body[:200]}",
                )
    except DATABASE_DOWN as error:
        ids = ", ".join(letter.message_id for letter in letters)
        log.warning("user %s: %s of dead letters %s; not noted in the admin's log: %s", user_id, action, ids, error)
        return False
    return True
