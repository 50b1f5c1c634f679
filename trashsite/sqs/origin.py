"""
Who first sent a redriven message, and when: message attributes, signed so that no sender can choose them.

Whoever may send to the queue may set any attribute. The signature is HMAC-SHA256 over these facts and the digest of the
body, by the first key of TRASH_REDRIVE_KEY; any of its keys verifies.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from django.conf import settings

#: Its lines are limited by settings.LOGGING, to one a minute.
logger = logging.getLogger(__name__)

NAMES = ("message_id", "sent_at_ms", "sender_id", "signature")
#: Attributes are up to 1 MiB long, and appear in log lines.
_MOST = 256


class RedriveKeyMissing(Exception):
    """Nothing can be redriven, since there is no key to sign with."""

    def __init__(self) -> None:
        super().__init__(
            "Nothing was sent back: TRASH_REDRIVE_KEY is not set, so workers would take the first times of the reports "
            "for forged. Set it to 50 random characters, the same for web, commands and workers, and try again."
        )


class Origin(NamedTuple):
    """
    Where a message came from first.

    message_id: its first id. sent_at_ms: when the queue first received it, in epoch milliseconds. sender_id: who sent
    it, by AWS's id; "" where that was not asked.
    """

    message_id: str
    sent_at_ms: int
    sender_id: str = ""

    def facts(self) -> dict[str, str]:
        """Return it as the values of message attributes, not signed."""
        return dict(zip(NAMES, (self.message_id, str(self.sent_at_ms), self.sender_id), strict=False))

    def signed(self, body: str) -> dict[str, str]:
        """Return it as the values of message attributes, for a message of this body. Raises RedriveKeyMissing."""
        require_key()
        return {**self.facts(), "signature": self._signature(body, settings.TRASH_REDRIVE_KEYS[0])}

    def is_signed(self, signature: str, body: str) -> bool:
        """Return whether one of our keys made this signature."""
        return any(
            hmac.compare_digest(self._signature(body, key).encode(), signature.encode(errors="replace"))
            for key in settings.TRASH_REDRIVE_KEYS
        )

    def _signature(self, body: str, key: str) -> str:
        body_digest = hashlib.sha256(body.encode(errors="surrogatepass")).hexdigest()
        # JSON, since no text of one part may look like the beginning of the next.
        signed = json.dumps([*self, body_digest])
        return hmac.new(key.encode(), signed.encode(), hashlib.sha256).hexdigest()


def require_key() -> None:
    """Raise RedriveKeyMissing where nothing can be signed."""
    if not settings.TRASH_REDRIVE_KEYS:
        raise RedriveKeyMissing


def read(attributes: Mapping[str, Any]) -> Origin | None:
    """Return the origin that message attributes tell, signed or not; None where they tell none."""
    message_id = _text(attributes, "message_id")
    if not message_id:
        return None
    sent_at_ms, sender_id = _text(attributes, "sent_at_ms"), _text(attributes, "sender_id")
    if not (sent_at_ms.isascii() and sent_at_ms.isdigit() and len(sent_at_ms) <= 15):
        return None
    return Origin(message_id, int(sent_at_ms), sender_id)


def verified(attributes: Mapping[str, Any], body: str) -> Origin | None:
    """Return the origin that message attributes tell where it is signed by one of our keys; log where it is not."""
    origin = read(attributes)
    if origin is None or origin.is_signed(_text(attributes, "signature"), body):
        return origin
    logger.warning(
        "the first id and time of a message are ignored: %s",
        "they are not signed by TRASH_REDRIVE_KEY" if settings.TRASH_REDRIVE_KEYS else "TRASH_REDRIVE_KEY is not set",
    )
    return None


def _text(attributes: Mapping[str, Any], name: str) -> str:
    value = attributes.get(name) or {}
    return str(value.get("StringValue", ""))[:_MOST]
