"""What a worker does before its first message: it refuses with one line, or waits and says so once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from django.core.management import CommandError, call_command

from reports import queue, store
from reports.formats import models
from reports.worker import startup
from tests.support.fault_proxy import FaultProxy, error, reset
from tests.support.servers import Worker, eventually
from trashsite import celery_app


@pytest.fixture
def refused(worker: Callable[..., Worker]) -> Callable[..., str]:
    """Start a worker that refuses to start."""
    # Celery warns whoever is root, in several lines; the tests of some are run by root.
    return lambda *arguments, **environ: refusal(worker(*arguments, PYTHONWARNINGS="ignore", **environ))


def refusal(worker: Worker) -> str:
    """The one line that a worker says instead of starting."""
    assert eventually(lambda: worker.process.poll() is not None, 30)
    assert worker.process.returncode == 1
    (line,) = worker.log.strip().splitlines()
    assert line.startswith("the worker does not start: ")
    return line


def children(worker: Worker) -> list[str]:
    """The command lines of the processes that a worker has started."""
    pid = worker.process.pid
    pids = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [Path(f"/proc/{each}/cmdline").read_text().replace("\0", " ") for each in pids]


def test_without_its_queue_it_refuses_with_the_next_step(suffix: str, refused: Callable[..., str]) -> None:
    line = refused(TRASH_SUFFIX="nowhere")
    assert "queue trash-level-nowhere does not exist: run `manage.py provision`" in line


def refused_here(conf: Mapping[str, object] | None = None, queue_name: str = "", **options: str) -> str:
    """What a worker of this process says instead of starting, which costs no process of its own."""
    queues = SimpleNamespace(consume_from=[queue_name or queue.full_name(queue.REPORTS)])
    app = SimpleNamespace(conf=conf or celery_app.conf, amqp=SimpleNamespace(queues=queues))
    sender: Any = SimpleNamespace(app=app, options=dict(options), pool_cls="solo")
    with pytest.raises(SystemExit) as caught:
        startup.prepare(sender)
    return str(caught.value.code)


def test_without_a_table_it_refuses_with_the_next_step(suffix: str) -> None:
    boto3.client("dynamodb").delete_table(TableName=f"trash-level-history-{suffix}")
    line = refused_here()
    assert line.endswith(f"table trash-level-history-{suffix} does not exist: run `manage.py provision`")


def test_without_a_redrive_policy_it_refuses_with_the_reason(suffix: str) -> None:
    sqs = boto3.client("sqs")
    name = f"trash-level-plain-{suffix}"
    sqs.create_queue(QueueName=name)
    line = refused_here(queue_name=name)
    assert f"queue {name} has no redrive policy with a maxReceiveCount of at least 10" in line


def test_a_right_that_is_missing_is_named_by_who_checks_and_by_the_worker_itself(
    suffix: str, refused: Callable[..., str], proxy_to: Callable[[str], FaultProxy]
) -> None:
    said = "no identity-based policy allows it"
    proxy_to("sqs").inject(error("AccessDeniedException", message=said), "GetQueueAttributes")
    with pytest.raises(CommandError, match=f"AccessDeniedException: sqs:GetQueueAttributes is not permitted. {said}"):
        call_command("prepare", check=True)
    assert "sqs:GetQueueAttributes is not permitted" in refused()


def test_a_setting_that_could_lose_reports_is_refused(suffix: str, refused: Callable[..., str]) -> None:
    line = refused(
        DJANGO_SETTINGS_MODULE="tests.reports.worker.wrong_settings",
        WRONG_SETTINGS=json.dumps({"CELERY_TASK_ACKS_LATE": False}),
    )
    assert line == "the worker does not start: task_acks_late must be True: a crash would lose the messages in progress"


def test_a_pool_that_cannot_grow_is_not_asked_to() -> None:
    assert refused_here(autoscale="4,1").endswith("--autoscale needs a pool that can grow: add -P prefork")


def test_a_model_of_sensors_that_cannot_be_used_is_refused_by_file_and_rule(
    suffix: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "wrong.toml").write_text("")
    monkeypatch.setattr(models, "load", partial(models.load, tmp_path))
    assert refused_here().startswith("the worker does not start: wrong.toml: reading: is required")


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("task_acks_late", False), ("task_reject_on_worker_lost", False), ("task_acks_on_failure_or_timeout", True),
        ("task_serializer", "pickle"), ("accept_content", ["json", "pickle"]), ("worker_enable_remote_control", True),
    ],
)  # fmt: skip
def test_each_needed_setting_is_named_with_what_goes_wrong_otherwise(name: str, wrong: object) -> None:
    needed, otherwise = startup.NEEDED[name]
    conf = {**{each: celery_app.conf[each] for each in startup.NEEDED}, name: wrong}
    assert refused_here(conf) == f"the worker does not start: {name} must be {needed!r}: {otherwise}"


def test_every_setting_is_as_it_must_be() -> None:
    assert {name: celery_app.conf[name] for name in startup.NEEDED} == {
        name: needed for name, (needed, _) in startup.NEEDED.items()
    }
    assert len(startup.NEEDED) == 6


@pytest.fixture
def away(suffix: str, aws_environment: dict[str, str]) -> Iterator[tuple[FaultProxy, FaultProxy]]:
    """SQS and DynamoDB, both out of reach."""
    with (
        FaultProxy(aws_environment["AWS_ENDPOINT_URL_SQS"]) as sqs,
        FaultProxy(aws_environment["AWS_ENDPOINT_URL_DYNAMODB"]) as dynamodb,
    ):
        sqs.refuse()
        dynamodb.refuse()
        yield sqs, dynamodb


def test_without_an_answer_of_aws_it_waits_logs_it_once_and_receives_nothing(
    worker: Callable[..., Worker], away: tuple[FaultProxy, FaultProxy]
) -> None:
    sqs, dynamodb = away
    queue.publish(['{"can_id":"1","level":5}'])
    started = worker(AWS_ENDPOINT_URL_SQS=sqs.url, AWS_ENDPOINT_URL_DYNAMODB=dynamodb.url)
    assert eventually(lambda: "reaching AWS fails" in started.log, 30)
    sqs.heal()
    # SQS alone is not enough.
    assert eventually(lambda: sqs.seen["GetQueueAttributes"] >= 1, 30)
    assert sqs.seen["ReceiveMessage"] == 0
    assert started.process.poll() is None
    dynamodb.heal()
    started.ready()
    assert eventually(lambda: store.latest("1"))
    assert started.log.count("reaching AWS fails") == 1
    assert started.log.count("reaching AWS works again") == 1
    assert "Traceback" not in started.log
    # Nobody asked for a pool: it runs in threads, without children.
    assert children(started) == []
    assert started.stop() == 0


def test_a_worker_needs_neither_the_sites_secret_key_nor_its_database(
    worker: Callable[..., Worker], suffix: str, tmp_path: Path
) -> None:
    queue.publish(['{"can_id":"1","level":5}', "not JSON"])
    data = tmp_path / "data"
    started = worker(TRASH_LOCAL="", DJANGO_SECRET_KEY="", DATABASE_URL="", TRASH_DATA=str(data)).ready()
    assert eventually(lambda: store.latest("1") and queue.depth().dead)
    heartbeat, *_ = eventually(lambda: store.workers(datetime.now(UTC)))
    assert heartbeat.unusable == {"email", "sns"}
    assert started.stop() == 0
    assert "Traceback" not in started.log
    assert not data.exists()


def test_a_worker_whose_queue_cannot_be_reached_when_it_begins_to_consume_recovers(
    worker: Callable[..., Worker], suffix: str, aws_environment: dict[str, str]
) -> None:
    queue.publish(['{"can_id":"1","level":5}'])
    with FaultProxy(aws_environment["AWS_ENDPOINT_URL_SQS"]) as sqs:
        started = worker(AWS_ENDPOINT_URL_SQS=sqs.url)
        # Its checks of both queues are done; the connection that consumes is not yet there.
        assert eventually(lambda: sqs.seen["GetQueueAttributes"] >= 2, 30)
        sqs.inject(reset, "GetQueueUrl")
        assert eventually(lambda: "receiving from" in started.log, 30)
        sqs.heal()
        assert eventually(lambda: store.latest("1"), 30)
        warnings = [line for line in started.log.splitlines() if "WARNING" in line]
        # One for each queue that was met before all was well again.
        assert 1 <= len(warnings) <= 2, warnings
        assert started.stop() == 0
