"""Metrics: each is defined once and documented, and no count is lost or doubled whatever happens to processes."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from django.test import Client
from prometheus_client.mmap_dict import MmapedDict

from reports import queue
from stack.servers import free_port
from tests.support.scrape import scraped
from tests.support.servers import ROOT, Site, Worker, eventually
from trashsite import aws, kept_numbers, telemetry
from trashsite.kept_numbers import numbers_in
from trashsite.sqs.dispatch import BATCH

#: A program that counts in twenty processes, one after another, of which half are killed; each counts its turn.
COUNTING = """
import os, signal, sys
from trashsite import exposition, telemetry
exposition.share()
exposition.serve()
telemetry.REPORTS.add(1000, "stored")
for turn in range(1, 21):
    if (child := os.fork()) == 0:
        assert telemetry.REPORTS.counted("stored") == 0
        telemetry.REPORTS.add(turn, "stored")
        telemetry.BATCH_SECONDS.observe(0.02)
        assert telemetry.REPORTS.counted("stored") == turn
        if turn % 2:
            os.kill(os.getpid(), signal.SIGKILL)
        os._exit(0)
    os.waitpid(child, 0)
print("counted", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def counting(tmp_path: Path) -> Iterator[tuple[int, Callable[[], subprocess.Popen[str]]]]:
    port, started = free_port(), list[subprocess.Popen[str]]()

    def start() -> subprocess.Popen[str]:
        program = subprocess.Popen(
            [sys.executable, "-c", COUNTING], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={"DJANGO_SETTINGS_MODULE": "trashsite.settings", "TRASH_LOCAL": "1", "TRASH_DATA": str(tmp_path),
                 "TRASH_METRICS_PORT": str(port)},
        )  # fmt: skip
        started.append(program)
        assert program.stdout
        assert program.stdout.readline() == "counted\n"
        return program

    yield port, start
    for program in started:
        program.kill()
        program.communicate()


def test_processes_that_are_killed_and_programs_that_start_again_lose_no_count_and_leave_no_files(
    counting: tuple[int, Callable[[], subprocess.Popen[str]]], tmp_path: Path
) -> None:
    port, start = counting
    for starts in (1, 2):
        program = start()
        found = eventually(lambda: scraped(port))
        assert found['trashsite_reports_total{outcome="stored"}'] == starts * (1000 + sum(range(1, 21)))
        assert (
            found["trashsite_batch_seconds_count"] == found['trashsite_batch_seconds_bucket{le="0.025"}'] == starts * 20
        )
        assert len(list(tmp_path.rglob("counter_*.db"))) == 2, "one of the program, one that its children share in turn"
        program.kill()
        program.wait()


def test_a_number_is_counted_on_where_it_is_while_its_file_grows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[MmapedDict] = []
    monkeypatch.setattr(kept_numbers, "_opened", opened)
    kept = numbers_in(tmp_path, 7)
    numbers = [kept("counter", "requests", "requests_total", ("path",), (f"/{at}",), "Requests.") for at in range(1000)]
    for number in numbers:
        number.inc(1.0)
    numbers[0].inc(2.0)

    assert (tmp_path / "counter_7.db").stat().st_size > 2**16
    in_file = MmapedDict.read_all_values_from_file(str(tmp_path / "counter_7.db"))  # type: ignore[no-untyped-call]
    found = [number for _, number, *_ in in_file]
    assert found == [3.0] + [1.0] * 999
    again = numbers_in(tmp_path, 7)("counter", "requests", "requests_total", ("path",), ("/0",), "Requests.")
    assert (numbers[0].get(), again.get()) == (3.0, 3.0)
    for file in opened:
        file._f.close()


def test_a_file_of_numbers_can_be_read_as_soon_as_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[MmapedDict] = []
    found: list[list[object]] = []

    def read_then_open(path: str) -> MmapedDict:
        found.append([*MmapedDict.read_all_values_from_file(path)])  # type: ignore[no-untyped-call]
        return MmapedDict(path)  # type: ignore[no-untyped-call]

    monkeypatch.setattr(kept_numbers, "_opened", opened)
    monkeypatch.setattr(kept_numbers, "MmapedDict", read_then_open)
    number = numbers_in(tmp_path, 7)("counter", "requests", "requests_total", ("path",), ("/",), "Requests.")

    assert (found, number.get()) == ([[]], 0.0)
    assert [each.name for each in tmp_path.iterdir()] == ["counter_7.db"]
    for file in opened:
        file._f.close()


def test_values_that_are_counted_at_once_count_as_they_do_one_by_one() -> None:
    at_once, one_by_one = (telemetry._Metric.__new__(telemetry.Histogram) for _ in range(2))
    values = (0.0, 0.25, 0.2500001, 1, 59.9, 60, 86_400, 86_401, 10**9)
    for histogram in (at_once, one_by_one):
        histogram.name, histogram.help_text, histogram.labels = "ages", "Ages.", ()
        histogram._options = {"buckets": telemetry.AGES_S}
        histogram.forget()
    at_once.observe_all(values)
    at_once.observe_all([])
    for value in values:
        one_by_one.observe(value)
    found, expected = (
        [(each.name, each.labels, each.value) for each in next(iter(histogram._made.collect())).samples
         if not each.name.endswith("_created")]
        for histogram in (at_once, one_by_one)
    )  # fmt: skip
    assert found == expected


def test_a_full_batch_is_told_from_a_nearly_full_one() -> None:
    assert telemetry.BATCH_MESSAGES._options["buckets"][-2:] == (BATCH - 1, BATCH)


def test_every_metric_is_documented_with_its_kind_labels_and_meaning() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| (\w+) \| (.*?) \| (.*?) \|$", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE
    )
    labels = {name: tuple(re.findall(r"`(\w+)`", named)) for name, _, named, _ in rows}
    assert {(name, kind, labels[name], text) for name, kind, _, text in rows} == {
        (each.name + ("_total" if each.kind == "counter" else ""), each.kind, each.labels, each.help_text)
        for each in telemetry._Metric.all
    }


@pytest.mark.usefixtures("shared_suffix")
def test_a_request_to_aws_is_told_to_whoever_subscribes_with_how_it_ended(shared_suffix: str) -> None:
    told: list[telemetry.AwsRequest] = []
    aws.subscribers.append(told.append)
    try:
        queue.publish(['{"can_id":"1","level":"2"}'])
        with pytest.raises(aws.AwsError):
            aws.client("sqs").call("GetQueueUrl", {"QueueName": "nobody-made-it"})
    finally:
        aws.subscribers.remove(told.append)
    sent, refused = told[-2:]
    assert sent[:4] == ("sqs", "SendMessageBatch", f"trash-level-{shared_suffix}", "ok")
    assert refused[:4] == ("sqs", "GetQueueUrl", "nobody-made-it", "error")
    assert 0 < sent.duration_s < 10
    assert sent.sent_bytes > 50 < sent.received_bytes
    assert not sent.retry


@pytest.mark.usefixtures("shared_suffix")
def test_a_request_that_nobody_answers_is_counted_each_time_it_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", f"http://127.0.0.1:{free_port()}")
    aws.forget()
    told: list[telemetry.AwsRequest] = []
    aws.subscribers.append(told.append)
    try:
        with pytest.raises(aws.AwsSilent):
            aws.client("sqs").patiently("GetQueueUrl", {"QueueName": "any"}, within_s=0.5)
    finally:
        aws.subscribers.remove(told.append)
        aws.forget()
    assert [(each.outcome, each.retry) for each in told] == [("silent", turn) for turn in range(len(told))]
    assert len(told) > 1


def test_a_page_is_counted_by_its_route_and_never_by_its_address(client: Client) -> None:
    def requests() -> int:
        return telemetry.WEB_REQUESTS.counted("GET", "/health/live", "200")

    before, unknown = requests(), telemetry.WEB_REQUESTS.counted("GET", "none", "404")
    client.get("/health/live")
    client.get("/there/is/no/such/page")
    client.generic("BREW", "/health/live")
    assert requests() == before + 1
    assert telemetry.WEB_REQUESTS.counted("GET", "none", "404") == unknown + 1
    assert telemetry.WEB_REQUESTS.counted("other", "/health/live", "405") >= 1


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_a_worker_serves_what_became_of_each_report(
    pool: str, worker: Callable[..., Worker], suffix: str, tmp_path: Path
) -> None:
    port = free_port()
    running = worker(
        "-I", "tests.reports.worker.hasty", "-P", pool, TRASH_METRICS_PORT=str(port), TRASH_DATA=str(tmp_path)
    ).ready()
    queue.publish(
        [
            '[{"can_id":"1","level":"2","measured_at":"2026-11-24T09:30:00Z"},'
            '{"can_id":"1","level":"2","measured_at":"2026-11-24T09:30:00Z"},{"can_id":"2","level":"200"}]',
            str([1] * 20),
        ]
    )
    eventually(lambda: scraped(port).get("trashsite_messages_deleted_total") == 2)
    eventually(lambda: scraped(port).get('trashsite_queue_messages{state="dead"}') == 2)
    found = scraped(port)

    assert found["trashsite_reports_received_total"] == 23
    outcomes = ("stored", "repeated", "set_aside")
    assert [found[f'trashsite_reports_total{{outcome="{each}"}}'] for each in outcomes] == [1, 1, 21]
    assert found["trashsite_letters_written_total"] == 2
    assert found['trashsite_reports_invalid_total{field="level"}'] == 1
    assert found["trashsite_report_age_seconds_count"] == 2
    # The main process, four for reports, and one for alerts.
    processes = 1 if pool == "threads" else 6
    eventually(lambda: scraped(port).get('trashsite_workers{state="working"}') == processes)
    assert running.stop() == 0


def test_a_web_server_counts_the_requests_of_all_its_processes_on_a_port_of_its_own(
    suffix: str, tmp_path: Path
) -> None:
    port = free_port()
    site = Site(tmp_path / "log", "--workers", "2", TRASH_METRICS_PORT=str(port), TRASH_DATA=str(tmp_path))
    try:
        before = scraped(port)['trashsite_web_requests_total{method="GET",route="/health/live",status="200"}']
        for _ in range(30):
            # The second process may still be starting when the first one answers.
            with urlopen(f"{site.url}/health/live", timeout=60) as answer:  # noqa: S310
                assert answer.status == 200
        found = scraped(port)
        assert found['trashsite_web_requests_total{method="GET",route="/health/live",status="200"}'] == before + 30
        assert any(name.startswith("granian_") for name in found)
        with pytest.raises(HTTPError, match="404"):
            scraped(site.port)
    finally:
        site.close()
