"""One event, one line: what a device sent can neither forge a log line nor colour a terminal."""

from __future__ import annotations

import logging
import re
import time
from http import HTTPStatus
from logging.handlers import WatchedFileHandler

# With the marks that turn the direction of writing: they could make a terminal show another text.
_UNPRINTABLE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class OneLine(logging.Formatter):
    """Escapes control characters; a message's own line breaks are escaped too, a traceback keeps its lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return one_line(super().formatMessage(record))

    def formatException(self, ei: object) -> str:
        # Indented: an exception may quote what a device sent, line breaks included.
        return "    " + _escaped(super().formatException(ei)).replace("\n", "\n    ")  # type: ignore[arg-type]


class Seldom(logging.Filter):
    """Lets a logger say the same once a minute, and then how often it was not said in between: as in an outage."""

    def __init__(self, pause_s: float = 60.0) -> None:
        super().__init__()
        self._pause_s = pause_s
        #: By a message without its arguments, of which a program has few: when it was said, and how often not since.
        self._said: dict[str, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        now = time.monotonic()
        said_at, unsaid = self._said.get(record.msg, (-self._pause_s, 0))
        is_due = now - said_at >= self._pause_s
        self._said[record.msg] = (now, 0) if is_due else (said_at, unsaid + 1)
        if is_due and unsaid:
            record.msg += f" (and {unsaid} times since it was said last)"
        return is_due


class ForeignHost(Seldom):
    """Says once a minute that hosts are refused: without a traceback, or the name, which anybody may choose."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args, record.exc_info = (
            "a request named a host that is not in DJANGO_ALLOWED_HOSTS",
            (),
            None,
        )
        return super().filter(record)


class NotUnavailable(logging.Filter):
    """Passes over Django's own line on each 503: whoever answered it has said why."""

    def filter(self, record: logging.LogRecord) -> bool:
        return getattr(record, "status_code", None) != HTTPStatus.SERVICE_UNAVAILABLE


def follow_worker(loglevel: int | None = None, logfile: str | None = None, **_: object) -> None:
    """
    Obey what `celery worker` and `celery multi` were told of logging, in this project's format.

    -l debug says more; its default of WARNING must not silence our line a batch. --logfile goes there instead.
    """
    root = logging.getLogger()
    if loglevel is not None and loglevel < logging.INFO:
        root.setLevel(loglevel)
    if logfile:
        into_file = WatchedFileHandler(logfile)
        into_file.setFormatter(root.handlers[0].formatter)
        root.handlers = [into_file]


def one_line(text: str) -> str:
    """Return a text as one line that a terminal can only print: what else it holds is written as escapes."""
    return _escaped(text).replace("\n", "\\n")


def _escaped(text: str) -> str:
    return _UNPRINTABLE.sub(lambda found: found.group().encode("unicode_escape", "surrogatepass").decode(), text)
