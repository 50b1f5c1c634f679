"""
One event, one line: what a device sent can neither forge a log line nor colour a terminal.

TRASH_LOG chooses the form: lines for people, or one JSON object a line for programs. What the log says of one batch or
message carries its id: of the batch by `context`, of others by logging's own `extra`, as `extra={"can_id": "432"}`.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from http import HTTPStatus
from logging.handlers import WatchedFileHandler
from types import MappingProxyType

from trashsite import telemetry, tracing

# With the marks that change the direction of writing: they could make a terminal show another text.
_UNPRINTABLE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


#: What the line of a record tells beside its text, where it is known.
IDS = ("batch_id", "message_id", "can_id", "trace_id")
#: The ids of what is being worked on, by the names above; side_by_side's threads have them too.
context: ContextVar[Mapping[str, str]] = ContextVar("log_context", default=MappingProxyType({}))


def _ids(record: logging.LogRecord) -> dict[str, str]:
    known = {**context.get(), "trace_id": tracing.trace_id()}
    return {name: value for name in IDS if (value := getattr(record, name, "") or known.get(name, ""))}


class OneLine(logging.Formatter):
    """
    A line for people: control characters are escaped, and line breaks of a message, too.

    A traceback keeps its lines, and so do the stacks of all threads that a record has as `stacks`.
    """

    converter = time.gmtime  # type: ignore[assignment]

    def formatMessage(self, record: logging.LogRecord) -> str:
        ids = "".join(f" {name}={value}" for name, value in _ids(record).items())
        return one_line(super().formatMessage(record) + ids)

    def format(self, record: logging.LogRecord) -> str:
        stacks = getattr(record, "stacks", "")
        return super().format(record) + (f"\n    {_escaped(stacks)}".replace("\n", "\n    ") if stacks else "")

    def formatException(self, ei: object) -> str:
        # Indented: an exception may quote what a device sent, line breaks included.
        return "    " + _escaped(super().formatException(ei)).replace("\n", "\n    ")  # type: ignore[arg-type]


class JsonLine(logging.Formatter):
    """
    A JSON object: time, level, logger, event, and what else is known: ids, counts, error, traceback, stacks.

    event is what happened, in words; a record with `counts` says only what was counted.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:23] + "Z",
            "level": record.levelname,
            "logger": record.name,
        }
        counts = getattr(record, "counts", None)
        line |= {"event": "batch", **counts} if counts else {"event": record.getMessage()}
        line |= _ids(record)
        if record.exc_info and record.exc_info[1]:
            line |= {"error": repr(record.exc_info[1]), "traceback": self.formatException(record.exc_info)}
        if stacks := getattr(record, "stacks", ""):
            line["stacks"] = stacks
        # Escapes all but ASCII, and so whatever is no character for a terminal.
        return json.dumps(line, separators=(",", ":"), default=str)


class Seldom(logging.Filter):
    """
    Passes the same message `most` times a minute, and then with the number of those dropped since: for outages.

    A minute begins with the first message after the last one.
    """

    def __init__(self, pause_s: float = 60.0, most: int = 1) -> None:
        super().__init__()
        self._pause_s = pause_s
        self._most = most
        #: By a message without its arguments, of which a program has few: when its minute began, how many were passed
        #: in it, and how many not.
        self._passed: dict[str, tuple[float, int, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        now = time.monotonic()
        began_at, passed, dropped = self._passed.get(record.msg, (-self._pause_s, 0, 0))
        if now - began_at < self._pause_s:
            is_due = passed < self._most
            self._passed[record.msg] = (began_at, passed + is_due, dropped + (not is_due))
            return is_due
        self._passed[record.msg] = (now, 1, 0)
        if dropped:
            record.msg += f" (and {dropped} times since it was last logged)"
        return True


class Refusals(Seldom):
    """
    Passes one line a minute of each kind of request that Django refuses as suspicious, with how many there were.

    Django logs each with its traceback: a kilobyte for whoever sends a wrong Host header.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        kind = record.name.rpartition(".")[2]
        telemetry.WEB_SUSPICIOUS.add(1, kind)
        record.args = (record.getMessage()[:300],)
        record.msg = f"refused a request ({kind}): %s"
        record.exc_info = record.exc_text = None
        return super().filter(record)


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


def take_over() -> None:
    """Have everything that this process says outside of logging in the log's form: warnings, and what ends a thread."""
    logging.captureWarnings(True)
    ended = logging.getLogger("trashsite.ended")

    def uncaught(kind: type[BaseException], error: BaseException, trace: object) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, None)
        else:
            ended.critical("an error ended the program", exc_info=(kind, error, trace))  # type: ignore[arg-type]

    def in_thread(ended_by: threading.ExceptHookArgs) -> None:
        if ended_by.exc_value and ended_by.thread:
            trace = (ended_by.exc_type, ended_by.exc_value, ended_by.exc_traceback)
            ended.critical("an error ended the thread %s", ended_by.thread.name, exc_info=trace)

    sys.excepthook = uncaught
    threading.excepthook = in_thread


def say(text: str, *_: object) -> None:
    """Write a line about this program to stderr at once: also from a signal's handler, where logging might block."""
    record = logging.LogRecord("trashsite", logging.INFO, "", 0, "%s", (text.strip(),), None)
    formatter = logging.getLogger().handlers[0].formatter or JsonLine()
    os.write(2, f"{formatter.format(record)}\n".encode(errors="backslashreplace"))


def one_line(text: str) -> str:
    """Return a text as one line of printable characters: all others are written as escapes."""
    return _escaped(text).replace("\n", "\\n")


def _escaped(text: str) -> str:
    return _UNPRINTABLE.sub(lambda match: match.group().encode("unicode_escape", "surrogatepass").decode(), text)
