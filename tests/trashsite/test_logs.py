"""One event, one line: nothing that a device sends can look like a line of ours, or like another text."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from tests.support.servers import ROOT
from trashsite.logs import (
    JsonLine,
    NotUnavailable,
    OneLine,
    Refusals,
    Seldom,
    context,
    follow_worker,
    one_line,
)

formatter = OneLine("%(levelname)s %(name)s: %(message)s")


def line(message: str, *arguments: object, name: str = "trash", error: Exception | None = None) -> str:
    record = logging.LogRecord(name, logging.INFO, "x.py", 1, message, arguments, None)
    if error is not None:
        try:
            raise error
        except type(error):
            record.exc_info = sys.exc_info()
    return formatter.format(record)


@pytest.mark.parametrize(
    ("sent", "written"),
    [
        ("a\nERROR trash: forged", "a\\nERROR trash: forged"),
        ("a\rERROR", "a\\rERROR"),
        ("a\r\nb", "a\\r\\nb"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x9b31m", "\\x9b31m"),
        ("a\x00\x07\x08\x7fb", "a\\x00\\x07\\x08\\x7fb"),
        ("a\u2028b\u2029c\x85d", "a\\u2028b\\u2029c\\x85d"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\ud800", "\\ud800"),
        ("tab\tbed", "tab\\tbed"),
        ("🗑 Žižkov é", "🗑 Žižkov é"),
        ("C:\\new", "C:\\new"),
    ],
)
def test_what_a_device_sent_is_written_as_one_printable_line(sent: str, written: str) -> None:
    assert line("set aside: %s", sent) == f"INFO trash: set aside: {written}"
    assert one_line(sent) == written
    assert line("x", name=sent) == f"INFO {written}: x"


@given(st.text(st.characters(codec=None)))
def test_whatever_is_logged_is_one_line_that_every_terminal_can_print(sent: str) -> None:
    written = line("%s", sent)
    assert len(written.splitlines()) == 1
    assert written.isprintable() or all(each.isprintable() or each == "\xa0" or ord(each) > 0x9F for each in written)
    written.encode()


def test_as_json_a_record_is_one_object_with_all_that_is_known() -> None:
    record = logging.LogRecord("trash", logging.ERROR, "x.py", 1, "broke %s\n\u202e", ("it\ud800",), None)
    record.can_id, record.stacks = "432", "Thread 1:\n  File"
    token = context.set({"batch_id": "b1"})
    try:
        raise ValueError("sent\nERROR trash: forged")
    except ValueError:
        record.exc_info = sys.exc_info()
        written = JsonLine().format(record)
    finally:
        context.reset(token)
    assert written.isascii()
    assert written.isprintable()
    read = json.loads(written)
    assert read.pop("traceback").startswith("Traceback")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", read.pop("time"))
    assert read == {
        "level": "ERROR", "logger": "trash", "event": "broke it\ud800\n\u202e", "batch_id": "b1", "can_id": "432",
        "error": "ValueError('sent\\nERROR trash: forged')", "stacks": "Thread 1:\n  File",
    }  # fmt: skip


def test_for_people_the_ids_stand_behind_the_text() -> None:
    record = logging.LogRecord("trash", logging.INFO, "x.py", 1, "stored", (), None)
    record.can_id = "43\n2"
    assert formatter.format(record) == "INFO trash: stored can_id=43\\n2"


@pytest.mark.parametrize("program", [["-m", "celery", "-A", "trashsite", "worker", "-P", "solo", "--autoscale=3,1"],
                                     ["deploy/web.py", "--host", "192.0.2.1"]])  # fmt: skip
def test_a_program_that_does_not_start_says_so_in_json_alone(program: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, *program], cwd=ROOT, capture_output=True, text=True, check=False,
        env={"TRASH_LOCAL": "1", "TRASH_LOG": "json", "TRASH_DATA": str(tmp_path), "AWS_REGION": "us-west-1",
             "PATH": os.environ["PATH"]},
    )  # fmt: skip
    assert done.returncode != 0
    lines = [json.loads(line) for line in (done.stdout + done.stderr).splitlines()]
    assert any(line["level"] in {"ERROR", "CRITICAL"} for line in lines)


def test_a_traceback_keeps_its_lines_and_none_of_them_can_be_taken_for_ours() -> None:
    written = line("broke", error=ValueError("sent\nERROR trash: forged\r\n\x1b[2J"))
    first, *others = written.split("\n")
    assert first == "INFO trash: broke"
    assert any("ValueError: sent" in each for each in others)
    assert all(each.startswith("    ") for each in others)
    assert "\r" not in written
    assert "\x1b" not in written


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    root = logging.getLogger()
    level, handlers = root.level, root.handlers
    own = logging.StreamHandler()
    own.setFormatter(formatter)
    root.handlers = [own]
    root.setLevel(logging.INFO)
    yield root
    root.handlers = handlers
    root.setLevel(level)


def test_a_worker_may_say_more_and_never_less(root: logging.Logger) -> None:
    follow_worker(loglevel=logging.WARNING)
    assert root.level == logging.INFO
    follow_worker(loglevel=logging.DEBUG)
    assert root.level == logging.DEBUG


def test_a_worker_with_a_log_file_writes_there_in_the_same_form(root: logging.Logger, tmp_path: Path) -> None:
    follow_worker(logfile=str(tmp_path / "worker.log"))
    logging.getLogger("trash").info("a\nb")
    (handler,) = root.handlers
    handler.close()
    assert (tmp_path / "worker.log").read_text() == "INFO trash: a\\nb\n"


def test_what_fails_with_each_request_is_logged_once_a_minute_with_its_count(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("trashsite.logs.time.monotonic", lambda: now)
    seldom, said = Seldom(), list[str]()
    for second in range(130):
        now = 1000.0 + second
        for message in ("store unavailable: %s", "queue unavailable: %s")[: 2 - second % 2]:
            record = logging.LogRecord("trash", logging.WARNING, "x.py", 1, message, (f"50 % at {second}",), None)
            if seldom.filter(record):
                said.append(record.getMessage())
    assert said == [
        "store unavailable: 50 % at 0",
        "queue unavailable: 50 % at 0",
        "store unavailable: 50 % at 60 (and 59 times since it was last logged)",
        "queue unavailable: 50 % at 60 (and 29 times since it was last logged)",
        "store unavailable: 50 % at 120 (and 59 times since it was last logged)",
        "queue unavailable: 50 % at 120 (and 29 times since it was last logged)",
    ]


def test_what_is_refused_as_suspicious_is_one_line_a_minute_of_each_kind() -> None:
    logger = logging.getLogger("django.security")
    assert not logger.propagate
    (handler,) = [each for each in logger.handlers if any(isinstance(kept, Refusals) for kept in each.filters)]
    assert isinstance(handler, logging.StreamHandler)
    heard, before = StringIO(), handler.filters
    stream = handler.setStream(heard)
    handler.filters = [Refusals()]
    try:
        for turn in range(100):
            assert Client(headers={"Host": f"evil-{turn}.example"}).get("/reports/").status_code == 400
    finally:
        handler.filters = before
        handler.setStream(stream)

    (line,) = heard.getvalue().splitlines()
    assert line[9:].startswith(
        " ERROR django.security.DisallowedHost: refused a request (DisallowedHost): Invalid HTTP_HOST"
    )
    assert "evil-0.example" in line


def test_what_strangers_cause_is_logged_so_many_times_a_minute_and_then_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr("trashsite.logs.time.monotonic", lambda: now)
    some, said = Seldom(most=3), list[str]()
    for number in range(121):
        now = 1000.0 + number / 2
        record = logging.LogRecord("trash", logging.WARNING, "x.py", 1, "set aside %s", (number,), None)
        if some.filter(record):
            said.append(record.getMessage())
    assert said == [
        "set aside 0",
        "set aside 1",
        "set aside 2",
        "set aside 120 (and 117 times since it was last logged)",
    ]


def test_django_logs_nothing_on_a_503_and_everything_on_a_500() -> None:
    said = []
    for status in (503, 500):
        record = logging.LogRecord("django.request", logging.ERROR, "x.py", 1, "%s", ("/reports/1",), None)
        record.status_code = status
        said.append(NotUnavailable().filter(record))
    assert said == [False, True]
