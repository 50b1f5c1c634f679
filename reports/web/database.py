"""Questions to Django's database without whose answer a can's level is told all the same."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from trashsite.database import DATABASE_DOWN

#: For how long a database that was out of reach is not asked again: each question may wait for seconds.
AWAY_S = 5.0

log = logging.getLogger(__name__)

Told = TypeVar("Told")


class _Away:
    until_s = 0.0


def ask(question: Callable[[], Told]) -> tuple[Told | None, bool]:
    """Return what the database answers and True; None and False where it is, or just was, out of reach."""
    if time.monotonic() < _Away.until_s:
        return None, False
    try:
        return question(), True
    except DATABASE_DOWN as error:
        _Away.until_s = time.monotonic() + AWAY_S
        log.warning("database unavailable: %s", error)
        return None, False


def forget() -> None:
    """Ask again at once: as between tests."""
    _Away.until_s = 0.0
