"""The command, with the queue that it is for."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from reports import queue

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

START = "2026-11-01T00:00Z"


@pytest.fixture(autouse=True)
def data(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    settings.TRASH_DATA = tmp_path
    monkeypatch.setenv("TRASH_DATA", str(tmp_path))
    return tmp_path


def simulate(*arguments: str) -> tuple[str, str]:
    """Run the command here and return its stdout and stderr."""
    out, err = StringIO(), StringIO()
    call_command("simulate", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def waiting(sqs: SQSClient) -> Iterator[str]:
    """Take all bodies that wait in the queue."""
    url = sqs.get_queue_url(QueueName=queue.full_name(queue.REPORTS))["QueueUrl"]
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=0).get("Messages"):
        yield from (message["Body"] for message in messages)


@pytest.mark.usefixtures("suffix")
def test_the_queue_takes_what_the_command_prints() -> None:
    out, err = simulate("--format", "lab", "--start", START, "--count", "25")

    lines = out.splitlines()
    assert len(lines) == 25
    assert sorted(f"publishing: {body}" for body in waiting(boto3.client("sqs"))) == sorted(lines)
    assert "Done: 25 reports sent" in err


@pytest.mark.usefixtures("suffix")
def test_devices_send_time_stream_and_location_too() -> None:
    simulate("--rate", "1000", "--count", "12")

    reports: list[dict[str, Any]] = [json.loads(body) for body in waiting(boto3.client("sqs"))]
    assert len(reports) == 12
    for report in reports:
        assert list(report) == ["can_id", "level", "measured_at", "stream", "location"]
        assert list(report["location"]) == ["lat", "lon"]


@pytest.mark.usefixtures("suffix")
def test_json_is_one_object_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("can_id,level,measured_at\n7,50.10,2023-01-01T00:00:00Z\n")

    out, _ = simulate("--replay", str(tmp_path / "rows.csv"), "--json")

    assert json.loads(out) == {"published": 1, "last_at": "2023-01-01T00:00:00Z", "interrupted": False}


@pytest.mark.usefixtures("suffix")
def test_a_second_run_goes_on_after_the_first(data: Path) -> None:
    first, _ = simulate("--cans", "30", "--count", "40", "--json")
    place = json.loads((data / "simulator.json").read_text())["seed 1, 30 cans"]["measured_at"]
    _, said = simulate("--cans", "30", "--count", "40")

    assert json.loads(first)["last_at"][:19] == place[:19]
    assert "where the last run ended" in said


@pytest.mark.usefixtures("suffix")
def test_a_bad_row_is_named_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("can_id,level\n7,50\n8,500\n")

    with pytest.raises(CommandError, match=r"rows.csv: row 3, column level: must be from 0 to 100 percent. .*: 1."):
        simulate("--replay", str(tmp_path / "rows.csv"))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--rate", "2", "--speedup", "3"], "not allowed with"),
        (["--days", "2", "--start", START], "not allowed with"),
        (["--replay", "x.csv", "--days", "2"], "not allowed with"),
        (["--rate", "0"], "0 is not a number above 0"),
        (["--rate", "nan"], "nan is not a number above 0"),
        (["--days", "-1"], "-1 is not a number above 0 or 0"),
        (["--cans", "0"], "0 is not a whole number from 1"),
        (["--count", "1.5"], "1.5 is not a whole number"),
        (["--start", "2026-11-01"], "has no time zone; add Z"),
        (["--start", "soon"], "soon is not a time"),
        (["--format", "xml"], "invalid choice"),
        (["--replay", "/nowhere/rows.csv"], "the file cannot be read"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(arguments: list[str], says: str) -> None:
    with pytest.raises(CommandError, match=says):
        simulate(*arguments)


@pytest.mark.usefixtures("suffix")
def test_a_reader_that_goes_away_ends_the_run_without_a_traceback() -> None:
    command = [sys.executable, "manage.py", "simulate", "--start", START]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline().startswith('publishing: {"can_id":"')
        process.stdout.close()
        said = process.stderr.read()

    assert process.returncode == 0
    assert "Traceback" not in said and "BrokenPipe" not in said
    assert "Stopped" in said and "To continue from there: --start" in said
