"""
The first step: take a message out of what it travelled in.

Envelopes, in the order in which they are looked for: a body or string that is base64 of JSON (an AWS IoT rule's
useBase64), a JSON string that holds JSON, Amazon SNS's notification, an EventBridge event. At most three deep.
An SNS subscription's confirmation is told, never followed: its address is whatever the sender wrote.
"""

from __future__ import annotations

import binascii
import json
from base64 import b64decode
from dataclasses import dataclass, replace
from typing import Any

from reports.formats.readings import Tell
from reports.report import InvalidReport
from trashsite import json_slices
from trashsite.json_slices import Number, Value

MAX_ENVELOPES = 3
#: The envelope that an AWS IoT rule's useBase64 makes.
BASE64 = "base64 body"

#: An event's source and detail-type are its sender's own choice: these alone tell an EventBridge event.
EVENT = frozenset({"version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"})
#: In base64, what begins with { or [, or with white space before one of them.
_FIRST_OF_BASE64 = tuple("eWICD")
SNS_CONFIRMATIONS = frozenset({"SubscriptionConfirmation", "UnsubscribeConfirmation"})


@dataclass(frozen=True, slots=True)
class Opened:
    """
    A message without its envelopes.

    parsed: its JSON value, numbers as they were written. text[start:end] is that value, also where text is what the
    envelope held. envelopes: from the outermost. ignored: why an envelope holds no message, or empty.
    """

    text: str
    parsed: Any
    start: int
    end: int
    envelopes: tuple[str, ...] = ()
    ignored: str = ""


def may_be_base64(text: str) -> bool:
    """Say whether a text that is no JSON may be base64 of an object or array, by its first letter."""
    return text.lstrip()[:1] in _FIRST_OF_BASE64


def unwrap(text: str, whole: Value | None, tell: Tell | None = None) -> Opened:
    """
    Open the envelopes of a body. whole: the JSON value that all of it is, None where it is no JSON.

    Raises ValueError (of which InvalidReport is one) where it is no JSON or has more than MAX_ENVELOPES, and
    RecursionError where it nests past the interpreter's limit.
    """
    envelopes: list[str] = []
    found: str | Opened = text
    if whole and isinstance(whole.parsed, dict | list):
        found = Opened(text, whole.parsed, whole.start, whole.end)
    while True:
        if isinstance(found, str):
            try:
                name, found = _open_text(found)
            except json.JSONDecodeError as error:
                if "sns" not in envelopes:
                    raise
                raise InvalidReport("Message", "must be JSON; ChirpStack's Protocol Buffers are not read") from error
        else:
            envelope = _open_object(found)
            if envelope is None:
                return replace(found, envelopes=tuple(envelopes)) if envelopes else found
            name, found = envelope
        if name:
            envelopes.append(name)
            if len(envelopes) > MAX_ENVELOPES:
                raise InvalidReport("message", f"must have at most {MAX_ENVELOPES} envelopes")
            ignored = found.ignored if isinstance(found, Opened) else ""
            if tell:
                tell("unwrap", f"{name}: {ignored}; its address is not fetched" if ignored else f"taken out of {name}")
            if isinstance(found, Opened) and ignored:
                return replace(found, envelopes=tuple(envelopes))


def _open_text(text: str) -> tuple[str, str | Opened]:
    """Return what a text holds: an object or array, or the text in an envelope that is text, and its name."""
    start = json_slices.skip_blank(text, 0)
    if text[start : start + 1] in ("{", "["):
        whole = json_slices.value(text, start)
        json_slices.finish(text, whole.end)
        return "", Opened(text, whole.parsed, whole.start, whole.end)
    if text[start : start + 1] == '"':
        whole = json_slices.value(text, start)
        json_slices.finish(text, whole.end)
        return "json string", str(whole.parsed)
    try:
        inner = b64decode(text.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        inner = ""
    if inner.lstrip()[:1] not in ("{", "["):
        raise json.JSONDecodeError("Expecting an object or an array", text, start)
    return BASE64, inner


def _open_object(opened: Opened) -> tuple[str, str | Opened] | None:
    """Return an envelope's name and what it holds, or None where this is no envelope."""
    parsed = opened.parsed
    if not isinstance(parsed, dict):
        return None
    if "TopicArn" in parsed and "Type" in parsed:
        kind, inner = parsed["Type"], parsed.get("Message")
        if isinstance(kind, str) and kind in SNS_CONFIRMATIONS:
            return "sns", replace(opened, ignored="a subscription's confirmation, which somebody has to confirm")
        if not isinstance(inner, str) or isinstance(inner, Number):
            raise InvalidReport("Message", "must be a string in an SNS notification")
        return "sns", inner
    if "detail-type" in parsed and parsed.keys() >= EVENT:
        detail = parsed["detail"]
        if not isinstance(detail, dict | list):
            raise InvalidReport("detail", "must be an object in an EventBridge event")
        text, start, end = opened.text, opened.start, opened.end
        if isinstance(detail, list) or "can_id" in detail:
            # Our own form keeps its text as sent: it is asked for only here.
            text = next(sent for name, sent in json_slices.members(text, start) if name == "detail")
            start, end = 0, len(text)
        return "eventbridge", Opened(text, detail, start, end)
    return None
