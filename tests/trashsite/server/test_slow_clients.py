"""Clients that dawdle, hang or never read, in numbers: the production server answers all others meanwhile."""

from __future__ import annotations

import http.client
import os
import resource
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from stack.servers import LOOPBACK
from tests.support.servers import ROOT, Site, eventually

#: Many times the threads of the server, and more than would fit into its patience one after another.
MANY = 150


def connect(site: Site, sent: bytes = b"", *, receive_buffer: int = 0) -> socket.socket:
    client = socket.socket()
    if receive_buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.settimeout(5)
    client.connect((LOOPBACK, site.port))
    client.sendall(sent)
    return client


def status(site: Site, path: str) -> int:
    """The status of an honest client's request, 0 where it waited in vain."""
    connection = http.client.HTTPConnection(LOOPBACK, site.port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a migrated database, for sites to copy: whether a can is known stands there."""
    data = tmp_path_factory.mktemp("migrated")
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"], cwd=ROOT, check=True,
        env={**os.environ, "TRASH_LOCAL": "1", "TRASH_DATA": str(data)},
    )  # fmt: skip
    return data


@pytest.fixture(scope="module")
def site(shared_suffix: str, database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    data = shutil.copytree(database, tmp_path_factory.mktemp("site") / "data")
    # A thousand clients are as many files, here and there.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with closing(Site(data / "log", TRASH_DATA=str(data))) as site:
        yield site
        assert site.stop() == 0
    assert "Traceback" not in site.log


HEAD = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /login/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
LARGE = b"GET /static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="say nothing"),
        pytest.param(HEAD + b"X-Slow: ", id="never end their head"),
        pytest.param(POST + b"Content-Length: 5000\r\n\r\nusername=", id="never end their body"),
        pytest.param(
            POST + b"Cookie: csrftoken=" + b"a" * 32 + b"\r\nContent-Length: 5000\r\n\r\nu=", id="with a cookie"
        ),
        pytest.param(POST + b"Content-Length: 99000000\r\n\r\nusername=", id="announce far too much"),
        pytest.param(POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nuser", id="never end a chunk"),
        pytest.param(HEAD + b"Connection: close\r\n\r\n", id="never hang up"),
        pytest.param(HEAD + b"\r\n", id="keep their connection"),
    ],
)
def test_clients_that_hold_their_connections_hold_up_nobody(site: Site, sent: bytes) -> None:
    with ExitStack() as clients:
        for _ in range(MANY):
            clients.enter_context(connect(site, sent))

        assert [status(site, path) for path in ("/health/live", "/reports/nobody") * 3] == [200, 404] * 3


@pytest.mark.parametrize("sent", [pytest.param(b"", id="new"), pytest.param(HEAD + b"\r\n", id="kept")])
def test_a_thousand_clients_leave_room_for_more(site: Site, sent: bytes) -> None:
    with ExitStack() as clients:
        for _ in range(1050):
            clients.enter_context(connect(site, sent))

        assert [status(site, "/health/live") for _ in range(3)] == [200] * 3


def test_clients_that_never_read_hold_up_nobody(site: Site) -> None:
    with ExitStack() as clients:
        for _ in range(20):
            clients.enter_context(connect(site, LARGE, receive_buffer=2048))

        assert [status(site, "/health/live") for _ in range(3)] == [200] * 3


def test_a_request_may_come_byte_by_byte_and_two_at_once(site: Site) -> None:
    with connect(site) as client:
        for byte in HEAD + b"\r\n":
            client.send(bytes([byte]))
        assert answer_of(client).startswith(b"HTTP/1.1 200 OK")
        client.sendall(2 * (HEAD + b"\r\n"))
        assert answer_of(client, times=2).count(b"HTTP/1.1 200 OK") == 2


def test_bodies_that_never_end_keep_nobody_from_sending(site: Site) -> None:
    with ExitStack() as clients:
        for start in (POST, HEAD) * 60:
            clients.enter_context(connect(site, start + b"Content-Length: 50\r\n\r\nu="))
        with connect(site, POST + b"Content-Length: 3\r\n\r\nu=1") as honest:
            assert b"HTTP/1.1 403 " in answer_of(honest)


def test_a_body_that_is_far_too_large_is_not_waited_for(site: Site) -> None:
    with connect(site, POST + b"Content-Length: 99000000\r\n\r\nusername=") as client:
        assert answer_of(client).startswith(b"HTTP/1.1 413 ")


def test_who_asks_before_sending_a_body_is_told_to_go_on(site: Site) -> None:
    cookie = b"Cookie: csrftoken=" + b"a" * 32 + b"\r\n"
    with connect(site, POST + cookie + b"Content-Length: 4\r\nExpect: 100-continue\r\n\r\n") as client:
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"a=bc")
        assert b"HTTP/1.1 403 " in answer_of(client)


def test_a_stop_answers_what_is_under_way_and_waits_for_no_idle_client(database: Path, tmp_path: Path) -> None:
    data = shutil.copytree(database, tmp_path / "data")
    account = {"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
    with socket.create_server((LOOPBACK, 0)) as store:
        store.settimeout(30)
        away = f"http://{LOOPBACK}:{store.getsockname()[1]}"
        with (
            closing(Site(tmp_path / "log", TRASH_DATA=str(data), AWS_ENDPOINT_URL_DYNAMODB=away, **account)) as site,
            connect(site, HEAD + b"\r\n") as idle,
            connect(site, HEAD.replace(b"health/live", b"reports/1") + b"\r\n") as asking,
        ):
            answer_of(idle)
            connection, _ = store.accept()
            with connection:
                connection.recv(65536)
                site.process.terminate()
                eventually(lambda: not status(site, "/health/live"))
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
            assert answer_of(asking).startswith(b"HTTP/1.1 404 ")
            # No second SIGTERM: one that meets an interpreter at its end ends it by the signal.
            assert site.process.wait(15) == 0


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="Linux alone pins")
def test_a_pinned_process_runs_on_one_core_and_each_on_another(tmp_path: Path) -> None:
    with closing(Site(tmp_path / "log", "--pin", "--workers", "2", TRASH_DATA=str(tmp_path))) as site:
        children = Path(f"/proc/{site.process.pid}/task/{site.process.pid}/children")
        workers = eventually(lambda: (pids := children.read_text().split())[1:] and pids)
        assert [status(site, "/health/live") for _ in range(20)] == [200] * 20
        cores = [
            {frozenset(os.sched_getaffinity(int(task.name))) for task in Path(f"/proc/{pid}/task").iterdir()}
            for pid in workers
        ]
        assert all(len(each) == 1 and len(next(iter(each))) == 1 for each in cores)
        assert len(cores) == 2
        assert cores[0] != cores[1] or len(os.sched_getaffinity(0)) == 1
        assert site.stop() == 0


def answer_of(client: socket.socket, *, times: int = 1) -> bytes:
    """What the server answers, so many times, each a body that ends as a JSON object does."""
    text = b""
    while not (text.endswith((b"}", b"</html>\n")) and text.count(b"HTTP/1.1 ") >= times):
        more = client.recv(65536)
        assert more, text
        text += more
    return text
