"""Cursors: opaque, signed, and good for the one list that they came from."""

from __future__ import annotations

from django.core.signing import BadSignature, Signer

from reports.web.problems import InvalidQuery

DEFAULT_SIZE = 50
MAX_SIZE = 500
#: Of the fleet: with eight queries and the counts, 12 requests.
MAX_FLEET = 300


#: How the fleet's positions begin: after or before a can that has reported, and one that never has.
AFTER, BEFORE, AFTER_NEVER, BEFORE_NEVER = "><)("
BACKWARDS, AT_END = (BEFORE, BEFORE_NEVER), (AFTER_NEVER, BEFORE_NEVER)


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
    return Signer(sep=".", salt=f"reports.web.cursors {scope}")
