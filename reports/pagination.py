"""Cursors: opaque, signed, and good for the one list that they came from."""

from __future__ import annotations

from collections.abc import Mapping

from django.core.signing import BadSignature, Signer

from reports.problems import InvalidQuery

DEFAULT_SIZE = 50
MAX_SIZE = 500


def page_size(query: Mapping[str, str]) -> int:
    """Return how many rows are asked for. Raises InvalidQuery."""
    text = query.get("page_size", "")
    if not text:
        return DEFAULT_SIZE
    # isdecimal alone would let through digits of other scripts.
    if not (text.isascii() and text.isdecimal() and len(text) <= 4 and 1 <= int(text) <= MAX_SIZE):
        raise InvalidQuery("page_size", f"must be a whole number from 1 to {MAX_SIZE}")
    return int(text)


def seal(position: str, scope: str) -> str:
    """Make a cursor of a position in the list that `scope` describes: its filter, order and page size."""
    return _signer(scope).sign_object([position], compress=True)


def unseal(cursor: str, scope: str) -> str | None:
    """
    Return the position in a cursor, None for no cursor.

    Raises InvalidQuery unless it was made for this scope.
    """
    if not cursor:
        return None
    try:
        (position,) = _signer(scope).unsign_object(cursor)
    except (BadSignature, ValueError):
        rule = "must be one that this list gave, with the same filter and page_size"
        raise InvalidQuery("cursor", rule) from None
    return str(position)


def _signer(scope: str) -> Signer:
    return Signer(sep=".", salt=f"reports.pagination {scope}")
