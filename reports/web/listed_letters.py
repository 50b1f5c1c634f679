"""The dead letters that a user has listed: kept until they are visible to others again, so that a reload shows them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.contrib.sessions.models import Session
from django.db import transaction
from django.utils.crypto import salted_hmac
from django.utils.dateparse import parse_datetime

from reports.queue import LetterKind
from reports.web.answers import instant
from trashsite.database import DATABASE_DOWN

log = logging.getLogger(__name__)


def kept(user_id: int | None, kind: LetterKind, now: datetime) -> list[dict[str, Any]]:
    """Return the letters that this user has listed and that are still hidden, as `keep` was given them."""
    row = Session.objects.filter(session_key=_key(user_id, kind), expire_date__gt=now).first()
    letters: list[dict[str, Any]] = row.get_decoded().get("letters", []) if row else []
    return [letter for letter in letters if (until := parse_datetime(letter["hidden_until"])) and until > now]


def keep(
    user_id: int | None, kind: LetterKind, letters: Sequence[dict[str, Any]], now: datetime, hidden_s: int
) -> bool:
    """
    Keep what this user has listed in place of an earlier listing of that kind; each letter says its `hidden_until`.

    False where the database did not answer: then no listing shows them until they are visible to others again.
    """
    try:
        # A row of sessions of its own: it ends by itself, and no request but the listing's reads it. Its key is
        # secret, as a session's must be.
        with transaction.atomic():
            Session.objects.save(_key(user_id, kind), {"letters": list(letters)}, now + timedelta(seconds=hidden_s))
    except DATABASE_DOWN as error:
        log.warning("listed dead letters cannot be kept: %s", error)
        return False
    return True


def hidden_until(now: datetime, hidden_s: int) -> str:
    return instant(now + timedelta(seconds=hidden_s)) or ""


def _key(user_id: int | None, kind: LetterKind) -> str:
    return salted_hmac(__name__, f"{user_id} {kind}", algorithm="sha256").hexdigest()[:40]
