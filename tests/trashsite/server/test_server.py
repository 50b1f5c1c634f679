"""A web process gives up whoever is too slow, in each direction, and keeps room for the others."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from stack.servers import LOOPBACK
from tests.support.servers import Site, eventually

HEAD = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /login/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
ENDLESS = b"GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n"
LARGE = b"GET /static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def site(shared_suffix: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    data = tmp_path_factory.mktemp("site")
    settings = "tests.trashsite.server.impatient_site"
    with closing(Site(data / "log", TRASH_DATA=str(data), DJANGO_SETTINGS_MODULE=settings)) as site:
        yield site
        assert site.stop() == 0


def connect(site: Site, sent: bytes) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    client.settimeout(10)
    client.connect((LOOPBACK, site.port))
    client.sendall(sent)
    return client


def get(site: Site, path: str) -> tuple[int, bytes]:
    """Return status and body."""
    with closing(http.client.HTTPConnection(LOOPBACK, site.port, timeout=10)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()


def is_closed(client: socket.socket) -> bool:
    """Tell whether the server has ended a connection, without reading what it sent."""
    state = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    # Source: Linux, include/net/tcp_states.h: TCP_CLOSE, TCP_CLOSE_WAIT.
    return state in (7, 8)


def test_a_body_that_comes_too_slowly_is_given_up(site: Site) -> None:
    with connect(site, POST + b"Content-Length: 50\r\n\r\nu=") as client:
        answer = client.recv(65536)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b'"status": 408' in answer
        assert client.recv(100) == b""


def test_a_body_that_broke_off_reaches_no_view(site: Site) -> None:
    take = POST.replace(b"/login/", b"/take")
    # Of a form with level=70 a client that went away may have sent level=7.
    with connect(site, take + b"Content-Length: 17\r\n\r\ncan_id=1&level=7") as client:
        client.shutdown(socket.SHUT_WR)
        assert client.recv(65536)[:13] in (b"HTTP/1.1 400 ", b"")
    with connect(site, take + b"Content-Length: 17\r\n\r\ncan_id=1&level=70") as client:
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert get(site, "/taken") == (200, b"can_id=1&level=70")


def test_bodies_that_never_end_keep_nobody_from_sending(site: Site) -> None:
    with ExitStack() as clients:
        for number in range(120):
            head = POST if number % 2 else HEAD
            clients.enter_context(connect(site, head + b"Content-Length: 50\r\n\r\nu="))

        with connect(site, POST + b"Connection: close\r\nContent-Length: 3\r\n\r\nu=1") as honest:
            assert honest.recv(65536).startswith(b"HTTP/1.1 403 ")


def test_streams_that_nobody_reads_keep_no_thread_and_are_ended(site: Site) -> None:
    with ExitStack() as clients:
        slow = [clients.enter_context(connect(site, ENDLESS)) for _ in range(8)]

        assert get(site, "/health/live")[0] == 200
        assert eventually(lambda: all(map(is_closed, slow)))
    assert eventually(lambda: get(site, "/open") == (200, b"0"))


def test_a_stream_more_takes_the_place_of_one_that_nobody_reads(site: Site) -> None:
    with ExitStack() as clients:
        for _ in range(30):
            clients.enter_context(connect(site, ENDLESS))

        def is_sent() -> bool:
            with connect(site, ENDLESS) as reader:
                return reader.recv(100).startswith(b"HTTP/1.1 200 ")

        assert eventually(is_sent)
    assert eventually(lambda: get(site, "/open") == (200, b"0"))


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_large_answer_comes_whole(site: Site, method: str) -> None:
    with closing(http.client.HTTPConnection(LOOPBACK, site.port, timeout=10)) as connection:
        for _ in range(2):
            connection.request(method, "/large", body=b"a=1" if method == "POST" else None)
            answer = connection.getresponse()
            assert answer.read() == b"0123456789" * 500_000
            assert answer.headers["Content-Length"] == "5000000"


def test_large_answers_that_nobody_reads_are_not_kept(site: Site) -> None:
    with ExitStack() as clients:
        slow = [clients.enter_context(connect(site, ENDLESS.replace(b"endless", b"large"))) for _ in range(30)]

        assert get(site, "/health/live")[0] == 200
        # Before anybody's patience is over: no more are held than there may be streams.
        assert eventually(lambda: sum(map(is_closed, slow)) >= 22)
        assert eventually(lambda: all(map(is_closed, slow)))


def test_a_stream_ends_with_its_reader(site: Site) -> None:
    with connect(site, ENDLESS) as reader:
        assert len(reader.recv(100)) == 100
        assert get(site, "/open") != (200, b"0")
    assert eventually(lambda: get(site, "/open") == (200, b"0"))


def test_an_answer_that_fails_in_the_middle_does_not_look_whole(site: Site) -> None:
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        get(site, "/broken")
    assert "An answer broke off in the middle" in site.log


def test_who_does_not_read_a_file_is_ended_too(site: Site) -> None:
    with connect(site, LARGE) as client:
        assert eventually(lambda: is_closed(client))


def test_where_connections_run_out_those_answered_longest_ago_are_ended(site: Site) -> None:
    with ExitStack() as clients:
        slow = [clients.enter_context(connect(site, HEAD + b"X-Slow: ")) for _ in range(160)]
        kept = clients.enter_context(connect(site, HEAD + b"\r\n"))
        assert kept.recv(65536).startswith(b"HTTP/1.1 200 ")
        slow += [clients.enter_context(connect(site, HEAD + b"X-Slow: ")) for _ in range(20)]

        assert eventually(lambda: sum(map(is_closed, slow[:160])) >= 80)
        kept.sendall(HEAD + b"\r\n")
        assert kept.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_a_head_request_for_a_stream_has_an_answer_at_once(site: Site) -> None:
    with closing(http.client.HTTPConnection(LOOPBACK, site.port, timeout=10)) as connection:
        connection.request("HEAD", "/endless")
        assert connection.getresponse().status == 200
