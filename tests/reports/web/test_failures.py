"""
Every page and every address of the API, while AWS or the database fails at one of the requests that it makes.

Each visit is made once with all well, to count what it asks. Then it is made again for each of its requests to AWS
and a kind of failure in turn, and for each of its queries and one of both kinds (`make thorough`: each kind).
What comes back is 503 with Retry-After, or a 200 that names what is missing; what a page shows is asked for before
anything is drawn.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from django.contrib.auth.models import User
from django.db import InterfaceError, OperationalError, connection
from django.template import base as templates
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.models import Token, digest
from accounts.roles import give_role, make_roles
from reports import queue, store
from reports.models import SavedView
from reports.report import Report
from reports.sensor_models import Mounting, Sensor, UplinkSource, secret_digest
from reports.web import database, dead_letters, fleet_count, ingestion, probes, rate_limits, urgent
from tests.reports.web.routes import missing_routes
from tests.support.cans import a_can, a_report
from trashsite import aws
from trashsite.names import full_name
from trashsite.stopping import Stopping

pytestmark = [pytest.mark.usefixtures("shared_suffix"), pytest.mark.django_db]

HTML, JSON = "text/html", "application/json"
KEY, PASSWORD = "trash_walker", "turn-the-lid"
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Visit:
    """
    One request, and what it is answered while nothing fails.

    who: "anonymous", a role with a session, or "token". missing: what a 200 must say, by what failed ("sqs",
    "dynamodb", "database"); where nothing is said here, any failure must be a 503. before: makes ready what the visit
    uses up, and returns its body. rests: operations whose failure takes nothing from the answer.
    """

    route: str
    path: str
    accept: str = HTML
    who: str = "operator"
    status: int = 200
    method: str = "GET"
    body: str = ""
    content_type: str = FORM
    missing: dict[str, str] = field(default_factory=dict)
    rests: frozenset[str] = frozenset()
    before: Callable[[], str | None] = lambda: None

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.accept} {self.who}"


def both(route: str, path: str, **named: Any) -> list[Visit]:
    """The same address as a page and as JSON; what each of them can leave out is given as `missing` and `left_out`."""
    missing, left_out = {"dynamodb": NOT_TOLD, **named.pop("missing", {})}, named.pop("left_out", {})
    page = Visit(route, path, HTML, missing=missing, **named)
    return [page, Visit(route, path, JSON, missing=left_out, **named)]


def a_dead_letter(action: str) -> Callable[[], str]:
    """Put a letter into the dead-letter queue, list it, and return the form that settles it."""

    def before() -> str:
        url = queue.url_of(queue.DEAD)
        sqs = boto3.client("sqs")
        sqs.purge_queue(QueueUrl=url)
        sqs.send_message(QueueUrl=url, MessageBody='{"can_id": "1"}')
        (letter,) = queue.sample_letters(most=1)
        return json.dumps({"action": action, "letters": [dead_letters._shown(letter)["letter"]]})

    return before


def revoke_all_tokens() -> None:
    """No user has too many, and the visitor's own comes again."""
    Token.objects.exclude(name="test").delete()


def a_token() -> str:
    """Make the token that is revoked."""
    Token.objects.update_or_create(
        pk=7777,
        defaults={"user": User.objects.get(username="operator"), "name": "old", "digest": "old", "revoked_at": None},
    )
    return ""


def empty_the_dead_letters() -> None:
    boto3.client("sqs").purge_queue(QueueUrl=queue.url_of(queue.DEAD))


def forget_the_count() -> None:
    """Nobody has counted the fleet yet, nor is about to."""
    fleet_count.forget()
    for kind in ("snapshot", "claim"):
        key = {"kind": {"S": kind}, "id": {"S": "fleet"}}
        aws.client("dynamodb").call("DeleteItem", {"TableName": full_name("trash-pipeline"), "Key": key})


LEFT_OUT = {"database": r'"unavailable":\["facts"\]'}
DETAILS = "Name, address and place cannot be shown just now"
WITHOUT_NAMES = "Names and addresses cannot be shown just now"
NOT_TOLD = "Whether reports are being stored cannot be told just now"
NOT_SIGNED_IN = "The database of users cannot be reached just now"
NO_USER = {"database": NOT_SIGNED_IN}
CANNOT_BE_TOLD = "cannot be told just now"
MOUNTING = "sensors/<path:key>/mountings/<str:pk>"
NOT_SEEN = {"dynamodb": NOT_TOLD, **NO_USER}
UNNOTED = '"noted":false'
SQS, DYNAMODB = "SQS does not answer.", "DynamoDB does not answer."
DEPTHS = f"{SQS}|SQS does not tell how many alerts"
CANS = "reports/<str:can_id>"
RETIRE = "name=Old&retired=on"
ACKNOWLEDGE = '{"acknowledge": ["2026-01-01T00:00:00.000000Z#alert_000000000000000000000000"]}'
IMPORT = "text=can_id,name%0A420,New"
SIGN_IN = f"username=operator&password={PASSWORD}"

VISITS = [
    *both("", "/", missing={"database": f"{WITHOUT_NAMES}|{NOT_SIGNED_IN}"}, left_out=LEFT_OUT),
    # The fleet is counted by then; only the other web processes miss the count.
    *both(
        "", "/", who="anonymous", before=forget_the_count, rests=frozenset({"PutItem"}),
        missing={"database": WITHOUT_NAMES}, left_out=LEFT_OUT,
    ),
    *both("over-time", "/over-time", missing=NO_USER),
    Visit("over-time", "/over-time?format=csv", "*/*", who="anonymous"),
    Visit("over-time/map", "/over-time/map", JSON, who="anonymous"),
    *both("reports/", "/reports/", missing=NO_USER),
    *both("reports/", "/reports/", who="anonymous"),
    *both("reports/", "/reports/?stream=paper&order=silent", who="anonymous"),
    *both("reports/", "/reports/?level_min=low", who="anonymous", status=400),
    Visit("reports/", "/reports/?format=csv", "*/*", who="anonymous"),
    *both("reports/", "/reports/", method="POST", body="can_id=1&level=7", status=202, missing=NO_USER),
    *both(CANS, "/reports/420", who="anonymous", missing={"database": DETAILS}, left_out=LEFT_OUT),
    *both(CANS, "/reports/420", missing={"database": f"{DETAILS}|{NOT_SIGNED_IN}"}, left_out=LEFT_OUT),
    *both(CANS, "/reports/420", who="token", missing={"database": f"{DETAILS}|{NOT_SIGNED_IN}"}, left_out=LEFT_OUT),
    *both(CANS, "/reports/nobody", who="anonymous", status=404),
    *both(CANS, "/reports/never", who="anonymous"),
    *both("reports/", "/reports/?status=NEVER_REPORTED", who="anonymous"),
    *both(CANS, "/reports/420?range=x", who="anonymous", status=400),
    *both(f"{CANS}/history", "/reports/420/history", who="anonymous"),
    *both(f"{CANS}/history", "/reports/nobody/history", who="anonymous", status=404),
    *both(f"{CANS}/history", "/reports/420/history?since=yesterday", who="anonymous", status=400),
    *both(
        f"{CANS}/emptyings", "/reports/423/emptyings", who="anonymous",
        missing={"database": "cannot be shown just now"}, left_out={"database": r'"unavailable":\["entered"\]'},
    ),
    Visit(
        f"{CANS}/emptyings", "/reports/420/emptyings", JSON, "token", 400, "POST",
        '{"action": "strike", "at": "2026-01-01T00:00:00Z", "note": "no"}', JSON,
    ),
    Visit("cans/<str:can_id>/emptying/", "/cans/420/emptying/", missing={**NO_USER, "dynamodb": NOT_TOLD}),
    Visit(
        "cans/<str:can_id>/emptying/", "/cans/420/emptying/", method="POST",
        body="action=strike&at=2026-01-01&note=no", missing={**NO_USER, "dynamodb": f"{CANNOT_BE_TOLD}|{NOT_TOLD}"},
    ),
    *both("streams", "/streams", missing=NO_USER),
    *both("streams/<str:stream>", "/streams/paper", missing=NO_USER),
    Visit("streams/<str:stream>", "/streams/paper", JSON, "token", 200, "PUT", '{"full_from": 80}', JSON),
    Visit("streams/enter/", "/streams/enter/?stream=paper", missing=NOT_SEEN),
    *both("collections", "/collections?area=50,14.4,9", who="anonymous"),
    Visit("collections", "/collections?area=market&format=gpx", "*/*", who="anonymous"),
    Visit("collections/what-if", "/collections/what-if", who="anonymous", missing={"dynamodb": NOT_TOLD}),
    *both("alerts", "/alerts", missing=NO_USER),
    Visit("alerts", "/alerts", JSON, "token", 200, "POST", ACKNOWLEDGE, JSON),
    Visit("alerts/rules", "/alerts/rules", missing=NO_USER | {"dynamodb": CANNOT_BE_TOLD}),
    Visit("alerts/rules", "/alerts/rules", JSON, "token", 400, "POST", '{"name": ""}', JSON),
    Visit("alerts/rules/<int:pk>", "/alerts/rules/7", JSON, "token", 404),
    Visit("alerts/rules/<int:pk>/secret", "/alerts/rules/7/secret", JSON, "token", 404, "POST", "", JSON),
    Visit("alerts/rules/add/", "/alerts/rules/add/", missing={**NO_USER, "dynamodb": NOT_TOLD}),
    Visit("alerts/rules/<int:pk>/edit/", "/alerts/rules/7/edit/", status=404, missing={"dynamodb": NOT_TOLD}),
    *both(f"{CANS}/emptyings", "/reports/nobody/emptyings", who="anonymous", status=404),
    Visit(f"{CANS}/emptyings", "/reports/420/emptyings?format=csv", "*/*", who="anonymous"),
    *both(f"{CANS}/chart", "/reports/420/chart", who="anonymous"),
    *both(f"{CANS}/chart", "/reports/420/chart?range=all", who="anonymous"),
    *both(f"{CANS}/chart", "/reports/nobody/chart?range=30d", who="anonymous", status=404),
    *both(f"{CANS}/chart", "/reports/420/chart?range=x", who="anonymous", status=400),
    *[
        Visit("pipeline/", "/pipeline/", accept, missing=NO_USER | {"sqs": DEPTHS, "dynamodb": DYNAMODB})
        for accept in (HTML, JSON)
    ],
    *both("pipeline/", "/pipeline/", who="anonymous", status=401),
    *both("pipeline/", "/pipeline/", who="viewer", status=403, missing=NO_USER),
    *both("pipeline/dead-letters/", "/pipeline/dead-letters/", before=empty_the_dead_letters, missing=NO_USER),
    *[
        Visit(
            "pipeline/dead-letters/", "/pipeline/dead-letters/", JSON, "token", method="POST", content_type=JSON,
            before=a_dead_letter(action), missing={"database": UNNOTED},
        )
        for action in ("redrive", "discard")
    ],
    *both("cans", "/cans", missing=NO_USER),
    *both("cans", "/cans", method="POST", content_type="text/csv", body="can_id,name\n422,New\n", missing=NO_USER),
    *both("cans/<str:can_id>", "/cans/420", missing=NO_USER),
    Visit("cans/<str:can_id>", "/cans/420", JSON, "token", method="PATCH", body='{"name": "New"}', content_type=JSON),
    *both("cans/<str:can_id>/changes", "/cans/420/changes", missing=NO_USER),
    Visit("cans/<str:can_id>/facts/", "/cans/420/facts/", missing={**NO_USER, "dynamodb": NOT_TOLD}),
    Visit("cans/<str:can_id>/facts/", "/cans/421/facts/", method="POST", body=RETIRE, status=302),
    Visit("cans/import/", "/cans/import/", missing={**NO_USER, "dynamodb": NOT_TOLD}),
    Visit("cans/import/", "/cans/import/", method="POST", body=IMPORT, missing={**NO_USER, "dynamodb": NOT_TOLD}),
    Visit("cans/import/", "/cans/import/", method="POST", body=f"{IMPORT}&apply=yes", status=302),
    *both("sensors", "/sensors", missing=NO_USER),
    *both("sensors", "/sensors", method="POST", content_type="text/csv", body="key,can_id\nS2,420\n", missing=NO_USER),
    *both("sensors/waiting", "/sensors/waiting", missing=NO_USER),
    *both("sensors/<path:key>", "/sensors/S1", missing=NO_USER),
    # 201 at the first time, before what is looked at here.
    Visit(
        "sensors/<path:key>/mountings", "/sensors/S3/mountings", JSON, "token", 200, "POST", '{"can_id": "420"}', JSON
    ),
    Visit(f"{MOUNTING}", "/sensors/S1/mountings/7777", JSON, "token", 200, "PATCH", '{"holds_tilted": false}', JSON),
    Visit(f"{MOUNTING}/empty", "/sensors/S1/mountings/7777/empty", JSON, "token", 400, "POST", "", JSON),
    Visit("sensors/mount/", "/sensors/mount/?key=S1", missing={"dynamodb": f"{CANNOT_BE_TOLD}|{NOT_TOLD}", **NO_USER}),
    Visit(
        "sensors/explain/", "/sensors/explain/", method="POST", body="message={}",
        missing={**NO_USER, "dynamodb": NOT_TOLD},
    ),
    # What becomes of what was kept is said on the page that follows.
    Visit(
        "sensors/mount/", "/sensors/mount/", method="POST", body="key=S4&can_id=420&since=", status=302,
        rests=frozenset({"Query", "BatchGetItem", "GetItem"}),
    ),
    Visit("mountings/<int:pk>/", "/mountings/7777/", missing={"dynamodb": f"cannot be shown|{NOT_TOLD}", **NO_USER}),
    Visit(
        "mountings/<int:pk>/", "/mountings/7777/", method="POST", body="since=2026-01-01&blind_mm=", status=302,
        rests=frozenset({"Query", "BatchGetItem", "GetItem"}),
    ),
    Visit("uplinks/<str:name>", "/uplinks/city", JSON, "source", 202, "POST", '{"a": 1}', JSON),
    *both("tokens", "/tokens", missing=NO_USER),
    *both("tokens", "/tokens", who="anonymous", status=401),
    *both("tokens/<int:token_id>", "/tokens/0", status=404, missing=NO_USER),
    Visit(
        "tokens", "/tokens", method="POST", body="name=new&days=30", status=201, before=revoke_all_tokens,
        missing=NOT_SEEN,
    ),
    Visit("tokens/<int:token_id>", "/tokens/7777", JSON, method="DELETE", status=204, before=a_token),
    *both("views", "/views/", missing=NO_USER),
    Visit("views", "/views", JSON, "token", method="POST", body='{"name": "Glass"}', content_type=JSON),
    Visit("views/<int:view_id>", "/views/999", JSON, "token", method="DELETE", status=404),
    *both("health/live", "/health/live"),
    *both("health/ready", "/health/ready", before=probes.forget),
    *both("health/pipeline", "/health/pipeline", before=probes.forget),
    Visit("api/schema/", "/api/schema/", "application/vnd.oai.openapi+json"),
    Visit("api/docs/", "/api/docs/", missing={"dynamodb": NOT_TOLD}),
    Visit("login/", "/login/", missing={**NO_USER, "dynamodb": NOT_TOLD}),
    Visit("login/", "/login/", who="anonymous", method="POST", body=SIGN_IN, status=302),
    Visit("logout/", "/logout/", method="POST", status=302),
    Visit("favicon.ico", "/favicon.ico", status=302),
    Visit("admin/login/", "/admin/login/", status=302),
    Visit("admin/", "/admin/reports/can/", missing={"dynamodb": NOT_TOLD}),
    Visit("admin/", "/nothing", status=404, missing={**NO_USER, "dynamodb": NOT_TOLD}),
]  # fmt: skip

#: What no page may say while something that it asked for did not answer.
UNTRUE = re.compile(
    "No can |None so far|No reports in|No history|Nothing needs|No worker was|No problems|is being counted"
    '|"results":\\[\\]|"points":\\[\\]|"workers":\\[\\]|"letters":\\[\\]|"total":0'
)


def test_every_route_is_visited() -> None:
    assert missing_routes({visit.route for visit in VISITS}) == set()


# -- failures --------------------------------------------------------------------------------------------


def silent(client: aws.Client, operation: str) -> None:
    raise aws.AwsSilent(f"{client.service} {operation}: Failed to connect: Connection refused")


def too_slow(client: aws.Client, operation: str) -> None:
    raise aws.AwsSilent(f"{client.service} {operation}: Operation timed out after 2500 milliseconds")


def answering(status: int, body: str) -> Callable[[aws.Client, str], None]:
    """Return a failure by which the client reads this answer."""
    return lambda client, operation: client._checked(operation, status, body.encode()) and None


def erring(status: int, code: str) -> Callable[[aws.Client, str], None]:
    return answering(status, json.dumps({"__type": f"com.amazonaws#{code}", "message": "injected"}))


AWS_FAILURES = {
    "refused": silent,
    "timeout": too_slow,
    "500": erring(500, "InternalServerError"),
    "throttled": erring(400, "ProvisionedThroughputExceededException"),
    "table or queue missing": erring(400, "ResourceNotFoundException"),
    "credentials expired": erring(403, "ExpiredTokenException"),
    "cut short": answering(200, '{"Items": [{"id"'),
    "another server's page": answering(200, "<html>Please sign in to the hotel's network.</html>"),
}
THOROUGH = bool(os.environ.get("THOROUGH"))
#: How many of these each request meets: all that a program can tell apart come to each page with many requests.
KINDS = len(AWS_FAILURES) if THOROUGH else 1


def failures_in_turn(visit: Visit, requests: int) -> Iterator[tuple[int, str]]:
    """Yield the number of each request with the name of each failure that it is to meet."""
    kinds = itertools.cycle(AWS_FAILURES)
    # Visits begin at different kinds.
    for _ in range(VISITS.index(visit)):
        next(kinds)
    for nth in range(1, requests + 1):
        yield from ((nth, next(kinds)) for _ in range(KINDS))


DATABASE_FAILURES = {
    "server gone": OperationalError("connection to server was lost"),
    "connection closed": InterfaceError("connection already closed"),
}


class InTurn(ThreadPoolExecutor):
    """Runs each job at once, in the thread that hands it in."""

    def submit(self, run: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(run(*arguments, **named))
        except Exception as error:
            future.set_exception(error)
        return future


class Faults:
    """Counts what a visit asks of AWS and of the database, and lets one of these fail; notes what is asked too late."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._drawing = threading.local()
        self.asked_while_drawing: list[str] = []
        self.reset()

    def reset(
        self, *, request: int = 0, query: int = 0, failure: Callable[..., None] | Exception | None = None
    ) -> None:
        """Count anew, and let this request or this query fail, counted from 1."""
        self.requests = self.queries = 0
        self.failed_service = self.failed_operation = ""
        self._failed: tuple[str, Any] | None = None
        self._request, self._query, self._failure = request, query, failure

    def call(self, client: aws.Client, operation: str, request: Any) -> None:
        with self._lock:
            self.requests += 1
            # A request that is sent again fails again: else the visit would be answered after all.
            fails = self.requests == self._request or (operation, request) == self._failed
        self._note(operation)
        if fails and callable(self._failure):
            self._failed = operation, request
            self.failed_service, self.failed_operation = client.service, operation
            self._failure(client, operation)

    def execute(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK")):
            return execute(sql, params, many, context)
        # A query that failed breaks the test's own transaction; the site's have none around a whole request.
        connection.set_rollback(False)
        self.queries += 1
        self._note(sql)
        if self.queries == self._query and isinstance(self._failure, Exception):
            self.failed_service = "database"
            raise self._failure
        return execute(sql, params, many, context)

    def draw(self, render: Callable[..., str]) -> Callable[..., str]:
        def drawn(template: Any, context: Any) -> str:
            origin = str(getattr(template.origin, "name", ""))
            if "/contrib/admin/" in origin or getattr(self._drawing, "on", False):
                return render(template, context)
            self._drawing.on = True
            try:
                return render(template, context)
            finally:
                self._drawing.on = False

        return drawn

    def _note(self, what: str) -> None:
        if getattr(self._drawing, "on", False):
            self.asked_while_drawing.append(what)


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Iterator[Faults]:
    faults = Faults()
    call = aws.Client.call

    def observed(self: aws.Client, operation: str, request: Any, **named: Any) -> aws.Answer:
        faults.call(self, operation, request)
        return call(self, operation, request, **named)

    monkeypatch.setattr(aws.Client, "call", observed)
    monkeypatch.setattr(templates.Template, "render", faults.draw(templates.Template.render))
    # As while a process stops: what fails is not tried again, so that one failure is enough.
    stopping = Stopping()
    stopping.set()
    monkeypatch.setattr(aws, "stopping", stopping)
    monkeypatch.setattr("reports.store.batches.FINISH_WITHIN_S", math.inf)
    monkeypatch.setattr(aws, "SILENCE_S", 0.0)
    # Some hundred visits list dead letters; each would wait a second for the last.
    monkeypatch.setattr("reports.queue.received_letters.WAIT_S", 0)
    # One after another, so that the order is the same each time and nothing goes on after the answer.
    monkeypatch.setattr(aws, "_threads", lambda service, pid: InTurn())
    with connection.execute_wrapper(faults.execute):
        yield faults


@pytest.fixture(scope="module")
def fleet(shared_suffix: str) -> None:
    """A can with a history, and one that was emptied."""
    now = datetime.now(UTC)
    past = [Report("420", "50", now - timedelta(hours=6 * turn), now, stream="paper") for turn in range(30)]
    emptied = [
        Report("423", level, now - timedelta(hours=9 - at), now) for at, level in enumerate(("70", "72", "5", "8"))
    ]
    store.put_reports([*past, *emptied], now=now)


@pytest.fixture
def clients(settings: Settings, fleet: None) -> dict[str, Client]:
    """A fleet with a worker, and visitors of each kind."""
    settings.TRASH_READS = "open"
    now = datetime.now(UTC)
    # A newer report brings back a can that a visit took out of service.
    store.put_reports([a_report("421", "95", now)], now=now)
    store.beat(store.Heartbeat("host:1", now, {"stored": 7}))
    make_roles()
    sensor = Sensor.objects.create(key="S1")
    Mounting.objects.create(pk=7777, sensor=sensor, can_id="420", since=now)
    UplinkSource.objects.create(name="city", digest=secret_digest("secret"))
    clients = {"anonymous": Client(raise_request_exception=False)}
    clients["source"] = Client(raise_request_exception=False, headers={"X-Uplink-Secret": "secret"})
    for role in ("viewer", "operator"):
        user = User.objects.create_user(role, password=PASSWORD)
        give_role(user, role)
        clients[role] = Client(raise_request_exception=False)
        clients[role].force_login(user)
    Token.objects.create(user=user, name="test", digest=digest(KEY))
    clients["token"] = Client(raise_request_exception=False, headers={"Authorization": f"Bearer {KEY}"})
    a_can("420", name="Market square")
    a_can("never", name="Bridge")
    SavedView.objects.create(name="Paper", query="stream=paper")
    return clients


@pytest.mark.parametrize("visit", VISITS, ids=str)
def test_a_failure_is_503_or_named(visit: Visit, clients: dict[str, Client], faults: Faults) -> None:
    client = clients[visit.who]
    cookies = dict(client.cookies.items())

    def answer(**failing: Any) -> tuple[int, str, Any]:
        faults.reset()
        # The visit may have left its transaction broken, of which the test's is the outer one here.
        connection.set_rollback(False)
        body = visit.before() or visit.body
        rate_limits.forget()
        ingestion.forget()
        database.forget()
        urgent.forget()
        client.cookies.clear()
        client.cookies.update(cookies)
        if visit.who == "token":
            Token.objects.update(last_used_at=None)
        if visit.path == "/logout/":
            client.force_login(User.objects.get(username="operator"))
        faults.reset(**failing)
        got = client.generic(visit.method, visit.path, body, visit.content_type, headers={"Accept": visit.accept})
        text = b"".join(got.streaming_content) if got.streaming else got.content
        return got.status_code, text.decode(), got

    forget_the_count()
    if visit.before is not forget_the_count:
        fleet_count.current()
    # Once more, for what is asked only at the first time: the queues' addresses.
    answer()
    status, text, _ = answer()
    assert status == visit.status, text
    requests, queries = faults.requests, faults.queries

    walks = [
        *((f"request {nth}: {name}", {"request": nth, "failure": AWS_FAILURES[name]})
          for nth, name in failures_in_turn(visit, requests)),
        *((f"query {nth}: {name}", {"query": nth, "failure": failure})
          for nth in range(1, queries + 1)
          for at, (name, failure) in enumerate(DATABASE_FAILURES.items()) if THOROUGH or (nth + at) % 2),
    ]  # fmt: skip
    wrong = []
    for name, failing in walks:
        status, text, got = answer(**failing)
        if not faults.failed_service:
            wrong.append(f"{name}: it did not come to that")
        elif faults.failed_operation in visit.rests:
            pass
        elif status == 503:
            if not got.get("Retry-After", "").isdecimal():
                wrong.append(f"{name}: 503 without Retry-After")
        elif status != visit.status or status not in (200, 201, 202, 204, 400, 401, 403, 404):
            wrong.append(f"{name}: {status}")
        elif not (said := visit.missing.get(faults.failed_service)) or not re.search(said, text):
            wrong.append(f"{name}: {status}, and nothing is said of it")
        if UNTRUE.search(text):
            wrong.append(f"{name}: {UNTRUE.search(text).group()}")
    assert not wrong, "\n".join(wrong)
    assert faults.asked_while_drawing == []
