"""Secrets stay secret: all that can go wrong is made to, with marked secrets, and whatever was said is searched."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from pprint import pformat

import boto3
import pytest

from accounts.models import Token, digest
from reports import queue
from tests.support.fault_proxy import FaultProxy, error, expired_token, html, reset
from tests.support.servers import ROOT, Site, Worker, eventually
from trashsite import aws

MARK = secrets.token_hex(8)
SECRETS = {name: f"{name}-{MARK}" for name in ("key", "aws", "session", "database", "password", "token")}
PRODUCTION = {
    "TRASH_LOCAL": "",
    "DJANGO_SECRET_KEY": SECRETS["key"] + secrets.token_hex(32),
    "DJANGO_ALLOWED_HOSTS": "127.0.0.1",
    "TRASH_HTTPS": "off",
    "AWS_SECRET_ACCESS_KEY": SECRETS["aws"],
    "AWS_SESSION_TOKEN": SECRETS["session"],
    # Nobody listens there: whoever needs the database fails.
    "DATABASE_URL": f"postgres://trash:{SECRETS['database']}@127.0.0.1:1/trash",
}


def found_in(text: str) -> list[str]:
    """Which secrets a text tells, with what stands around them."""
    return [text[max(0, at.start() - 200) : at.end()] for at in re.finditer(MARK, text)]


@pytest.fixture
def away(suffix: str, aws_environment: dict[str, str]) -> Iterator[tuple[FaultProxy, FaultProxy]]:
    with (
        FaultProxy(aws_environment["AWS_ENDPOINT_URL_SQS"]) as sqs,
        FaultProxy(aws_environment["AWS_ENDPOINT_URL_DYNAMODB"]) as dynamodb,
    ):
        yield sqs, dynamodb


def has_met(away: tuple[FaultProxy, FaultProxy], wanted: list[int]) -> bool:
    """Whether so many requests in all have met a fault, on each way."""
    return all(proxy.spoilt.total() >= total for proxy, total in zip(away, wanted, strict=True))


def test_a_worker_in_every_kind_of_trouble_tells_none(
    worker: Callable[..., Worker], away: tuple[FaultProxy, FaultProxy]
) -> None:
    sqs, dynamodb = away
    environ = PRODUCTION | {"AWS_ENDPOINT_URL_SQS": sqs.url, "AWS_ENDPOINT_URL_DYNAMODB": dynamodb.url}
    started = worker("-l", "debug", **environ)
    started.ready()
    for number, fault in enumerate((expired_token, html, reset)):
        wanted = [proxy.spoilt.total() + 1 for proxy in away]
        for proxy in away:
            proxy.inject(fault, times=3)
        queue.publish([f'{{"can_id":"{number}","level":1}}', "poison"])
        eventually(partial(has_met, away, wanted), 30)
        for proxy in away:
            proxy.heal()
    dynamodb.inject(error("SerializationException"))
    queue.publish(['{"can_id":"4","level":1}'])
    eventually(lambda: "Traceback" in started.log, 60)
    dynamodb.heal()
    eventually(lambda: "set aside" in started.log and re.search("stored=[1-9]", started.log), 60)
    started.stop()

    assert found_in(started.log) == []


def test_a_site_without_its_database_tells_none(suffix: str, tmp_path: Path) -> None:
    bearer = {"Authorization": f"Bearer {SECRETS['token']}"}
    form = f"username=olga&password={SECRETS['password']}".encode()
    said = []
    for name, environ in {
        "production": PRODUCTION,
        "debug": PRODUCTION | {"TRASH_LOCAL": "1", "DJANGO_DEBUG": "1"},
    }.items():
        with closing(Site(tmp_path / name, **environ)) as site:
            asked = [
                (site.url + path, {"Accept": accept, **headers}, body)
                for accept in ("text/html", "application/json")
                for path, headers, body in (
                    ("/reports/1", bearer, None),
                    ("/reports/", bearer, b'{"can_id":"1","level":1}'),
                    ("/login/", {}, form),
                    ("/admin/", {"Cookie": f"sessionid={SECRETS['token']}"}, None),
                    ("/api/schema/", bearer, None),
                )
            ]
            # Each waits some seconds for the database.
            with ThreadPoolExecutor(len(asked)) as pool:
                said += pool.map(lambda each: ask(*each), asked)
        said.append(site.log)

    assert sum(each.startswith(("500", "503")) for each in said) >= 8, "nothing was made to break"
    assert [found for each in said for found in found_in(each)] == []


def ask(url: str, headers: dict[str, str], body: bytes | None) -> str:
    """All that the answer says, headers included."""
    try:
        answer = urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=30)  # noqa: S310
    except urllib.error.HTTPError as refusal:
        answer = refusal
    with answer:
        return f"{answer.status}\n{answer.headers}\n{answer.read().decode()}"


@pytest.mark.parametrize("command", ["migrate", "simulate --count 5"])
def test_no_command_tells_any(suffix: str, tmp_path: Path, command: str) -> None:
    environ = os.environ | PRODUCTION | {"TRASH_DATA": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "manage.py", *command.split()],
        cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip

    assert done.stdout
    assert found_in(done.stdout) == []


def test_no_value_tells_any_when_it_is_shown(aws_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, PRODUCTION[name])
    aws.forget()
    client = aws.client("sqs")
    client.call("ListQueues", {})
    shown = [repr(client), pformat(vars(client)), repr(boto3.Session())]
    token = Token(name="ci", digest=digest(SECRETS["token"]))
    shown += [repr(token.digest), pformat(vars(token))]

    assert [found for each in shown for found in found_in(each)] == []
