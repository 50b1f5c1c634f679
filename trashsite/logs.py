"""One event, one line: what a device sent can neither forge a log line nor colour a terminal."""

from __future__ import annotations

import logging
import re
import time
from http import HTTPStatus
from logging.handlers import WatchedFileHandler

# With the marks that change the direction of writing: they could make a terminal show another text.
_UNPRINTABLE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class OneLine(logging.Formatter):
    """Escapes control characters; a message's own line breaks are escaped too, a traceback keeps its lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return one_line(super().formatMessage(record))

    def formatException(self, ei: object) -> str:
        # Indented: an exception may quote what a device sent, line breaks included.
        return "    " + _escaped(super().formatException(ei)).replace("\n", "\n    ")  # type: ignore[arg-type]


class Seldom(logging.Filter):
    """
    Passes the same message `most` times a minute, and then with the number of those dropped since.

    For outages, and for what strangers cause.
    """

    def __init__(self, pause_s: float = 60.0, most: int = 1) -> None:
        super().__init__()
        self._pause_s = pause_s
        self._most = most
        #: By a message without its arguments, of which a program has few: when its minute began, how many were passed
        #: since, and how many not.
        self._passed: dict[str, tuple[float, int, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        now = time.monotonic()
        began, passed, dropped = self._passed.get(record.msg, (-self._pause_s, 0, 0))
        if now - began >= self._pause_s:
            self._passed[record.msg] = (now, 1, 0)
            if dropped:
                record.msg += f" (and {dropped} times since it was last logged)"
            return True
        is_due = passed < self._most
        self._passed[record.msg] = (began, passed + is_due, dropped + (not is_due))
        return is_due


class NotUnavailable(logging.Filter):
    """Drops Django's own line on each 503: the view that answered it has logged the reason."""

    def filter(self, record: logging.LogRecord) -> bool:
        return getattr(record, "status_code", None) != HTTPStatus.SERVICE_UNAVAILABLE


def follow_worker(loglevel: int | None = None, logfile: str | None = None, **_: object) -> None:
    """
    Apply the logging options of `celery worker` and `celery multi`, in this project's format.

    -l debug logs more; its default of WARNING must not suppress our line a batch. --logfile replaces stderr.
    """
    root = logging.getLogger()
    if loglevel is not None and loglevel < logging.INFO:
        root.setLevel(loglevel)
    if logfile:
        into_file = WatchedFileHandler(logfile)
        into_file.setFormatter(root.handlers[0].formatter)
        root.handlers = [into_file]


def one_line(text: str) -> str:
    """Return a text as one line of printable characters: all others are written as escapes."""
    return _escaped(text).replace("\n", "\\n")


def _escaped(text: str) -> str:
    return _UNPRINTABLE.sub(lambda match: match.group().encode("unicode_escape", "surrogatepass").decode(), text)
