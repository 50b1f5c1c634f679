"""
Where the parts of a JSON text begin and end, so that a part can be kept exactly as it was sent.

The standard library's decoder parses; this module only records positions in the two outermost layers of nesting.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

_BLANK = " \t\n\r"
#: A number in JSON's grammar. Source: RFC 8259, section 6.
NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII)
_STRING = r'"[^"\\]*(?:\\.[^"\\]*)*"'
#: The name of a member of an object, and its value unless that is an object or array; in a text that is known as JSON.
_MEMBER = re.compile(rf"[ \t\n\r]*({_STRING})[ \t\n\r]*:[ \t\n\r]*({_STRING}|[^\"\[{{,}} \t\n\r]+)?")


class Flaw(NamedTuple):
    """Replaces a part of a parsed value that is JSON but breaks one of our rules."""

    name: str | None
    rule: str


class Number(str):
    """A number, as the text of its digits as sent: never rounded, never a 5,000-digit integer in memory."""

    __slots__ = ()


class Value(NamedTuple):
    """A parsed value and its exact place, text[start:end]."""

    parsed: Any
    start: int
    end: int


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any] | Flaw:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    counts = Counter(name for name, _ in pairs)
    return Flaw(counts.most_common(1)[0][0], "must not appear twice in one object")


def _no_constant(name: str) -> Flaw:
    return Flaw(None, f"must be JSON, which {name} is not")


_decoder = json.JSONDecoder(
    parse_float=Number, parse_int=Number, parse_constant=_no_constant, object_pairs_hook=_unique
)


def skip_blank(text: str, at: int) -> int:
    """Return the first position from `at` that holds no JSON white space."""
    while text[at : at + 1] and text[at] in _BLANK:
        at += 1
    return at


def value(text: str, at: int = 0) -> Value:
    """
    Parse the value that begins at `at`, after white space.

    Numbers become Number; NaN, Infinity and an object with a name twice become Flaw.
    Raises ValueError where the text is no JSON; RecursionError where it nests past the interpreter's limit.
    """
    start = skip_blank(text, at)
    parsed, end = _decoder.raw_decode(text, start)
    return Value(parsed, start, end)


def finish(text: str, at: int) -> None:
    """Raise ValueError unless only white space follows from `at` on."""
    if skip_blank(text, at) != len(text):
        raise json.JSONDecodeError("Extra data", text, at)


def elements(text: str, at: int) -> Iterator[Value]:
    """Yield each element of the array whose bracket is at `at`, in a text that was parsed before."""
    at = skip_blank(text, at + 1)
    while text[at] != "]":
        element = value(text, at)
        yield element
        at = skip_blank(text, element.end)
        if text[at] == ",":
            at += 1


def members(text: str, at: int) -> Iterator[tuple[str, str]]:
    """
    Yield the name of each member of the object whose brace is at `at`, and its value's text as it was sent.

    The text was parsed before. By a pattern, since parsing name and value anew took twice the time.
    """
    at += 1
    while member := _MEMBER.match(text, at):
        name, sent = member.groups()
        start, end = member.span(2)
        if sent is None:
            start = member.end()
            end = value(text, start).end
        yield str(_decoder.decode(name)) if "\\" in name else name[1:-1], sent or text[start:end]
        # Past the comma, or the brace after the last one.
        at = skip_blank(text, end) + 1
