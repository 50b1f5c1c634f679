"""One event, one line: what a device sent can neither forge a log line nor colour a terminal."""

from __future__ import annotations

import logging
import re

_UNPRINTABLE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class OneLine(logging.Formatter):
    """Escapes control characters; a message's own line breaks are escaped too, a traceback keeps its lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return _escaped(super().formatMessage(record)).replace("\n", "\\n")

    def formatException(self, ei: object) -> str:
        return _escaped(super().formatException(ei))  # type: ignore[arg-type]


def set_level(loglevel: int | None = None, **_: object) -> None:
    """Let `celery worker -l debug` say more; its default of WARNING must not silence our line a batch."""
    if loglevel is not None and loglevel < logging.INFO:
        logging.getLogger().setLevel(loglevel)


def _escaped(text: str) -> str:
    return _UNPRINTABLE.sub(lambda found: found.group().encode("unicode_escape", "surrogatepass").decode(), text)
