"""
Which messages are Celery calls: those of one public task, and nothing else that looks like one.

A device must not be able to call any other task, and no call may do more than run once: its further parts (an eta,
callbacks, a chain) could make the worker publish what a stranger wrote.
"""

from __future__ import annotations

import base64
import json

from trashsite import json_slices
from trashsite.sqs.delivery import Delivery

#: What a call may not carry. Source: Celery, message protocol 2: headers, and the third part of the body.
FORBIDDEN_HEADERS = ("eta", "expires", "stamps")
FORBIDDEN_EMBED = ("callbacks", "errbacks", "chain", "chord")


class Unreadable(ValueError):
    """A message that calls our task in a way that is not supported; the text says why."""


def unpacked(delivery: Delivery, call: str) -> Delivery:
    """
    Return a call of the task named `call` with its reports as the body; anything else is returned unchanged.

    A call that is not supported keeps its body and gets `why_unreadable`: it is poison like any other. Never raises.
    """
    text = _plain(delivery.body)
    # A device's message is not even parsed here unless it holds the task's name.
    if call not in text:
        return delivery
    try:
        return delivery._replace(body=_reports(text, call) or delivery.body)
    except (Unreadable, ValueError, RecursionError) as error:
        return delivery._replace(why_unreadable=str(error) or repr(error))


def _plain(body: str) -> str:
    """Return a body as text: Celery's own SQS transport sends each call whole in base64 by default."""
    # What begins so is base64 of `{"`; no JSON begins with a letter e.
    if not body.startswith("eyJ"):
        return body
    try:
        return base64.b64decode(body, validate=True).decode()
    except ValueError:  # not base64, not UTF-8, or not even ASCII
        return body


def _reports(body: str, call: str) -> str | None:
    """Return the JSON text of the reports that the call was given; None where the body is not such a call."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return None
    headers = message.get("headers") if isinstance(message, dict) else None
    if not isinstance(headers, dict) or headers.get("task") != call:
        return None
    _refuse(headers, FORBIDDEN_HEADERS)
    if headers.get("compression") or message.get("content-type") != "application/json":
        raise Unreadable("the call must be plain, uncompressed JSON")
    text = _decoded(message)
    parts = json_slices.value(text)
    json_slices.finish(text, parts.end)
    if not isinstance(parts.parsed, list) or len(parts.parsed) != 3:
        raise Unreadable("the call must have three parts: args, kwargs, embed")
    args, kwargs, embed = json_slices.elements(text, parts.start)
    for part, kind in ((args, list), (kwargs, dict), (embed, dict)):
        if not isinstance(part.parsed, kind):
            raise Unreadable("the call's parts must be a list and two objects, each name in them once")
    _refuse(embed.parsed, FORBIDDEN_EMBED)
    return _argument(text, args, kwargs)


def _argument(text: str, args: json_slices.Value, kwargs: json_slices.Value) -> str:
    """Return the text of the one argument, `reports`, whether positional or named."""
    named = dict(json_slices.members(text, kwargs.start))
    if named.keys() - {"reports"}:
        raise Unreadable("the call takes one argument, reports")
    given = [*(text[each.start : each.end] for each in json_slices.elements(text, args.start)), *named.values()]
    if len(given) != 1 or not isinstance([*args.parsed, *kwargs.parsed.values()][0], list):
        raise Unreadable("the call takes one argument, a list of reports")
    return given[0]


def _refuse(carried: dict[str, object], names: tuple[str, ...]) -> None:
    for name in names:
        if carried.get(name):
            raise Unreadable(f"the call must not carry {name}")


def _decoded(message: dict[str, object]) -> str:
    body = message.get("body")
    properties = message.get("properties")
    encoding = properties.get("body_encoding") if isinstance(properties, dict) else None
    if not isinstance(body, str):
        raise Unreadable("the call's body must be a string")
    if encoding != "base64":
        return body
    try:
        return base64.b64decode(body, validate=True).decode()
    except ValueError as error:
        raise Unreadable(f"the call's body is not base64 of UTF-8: {error}") from None
