"""The local SQS and DynamoDB serve programs, and no page that a browser shows."""

from __future__ import annotations

import asyncio
import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import boto3
import pytest

from stack.front import BLOCKED_BY_BROWSERS, blocked_ports, front
from stack.servers import LOOPBACK, OPEN_TO_PAGES, REGION, Server, free_port, start_both
from tests.support.kind import KIND


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    sqs, dynamodb = start_both(tmp_path_factory.mktemp("fronts"), kind=KIND)
    yield sqs, dynamodb
    sqs.stop()
    dynamodb.stop()


@pytest.fixture(scope="module")
def ports(servers: tuple[Server, Server]) -> Iterator[dict[str, int]]:
    """Where programs find SQS and DynamoDB: at a front where the server itself is open to pages."""
    behind = dict(zip(("sqs", "dynamodb"), (server.port for server in servers), strict=True))
    found = behind | {name: free_port() for name in OPEN_TO_PAGES[KIND]}
    ended, runs = threading.Event(), threading.Event()

    async def serve() -> None:
        async with AsyncExitStack() as fronts:
            for name in OPEN_TO_PAGES[KIND]:
                await fronts.enter_async_context(front(found[name], behind[name]))
            runs.set()
            await asyncio.to_thread(ended.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert runs.wait(10)
    yield found
    ended.set()
    thread.join()


@pytest.fixture
def fronted(ports: dict[str, int]) -> int:
    """The port of a front before DynamoDB."""
    return ports["dynamodb"]


@pytest.fixture(params=["sqs", "dynamodb"])
def port(request: pytest.FixtureRequest, ports: dict[str, int]) -> int:
    return ports[request.param]


def status(port: int, method: str = "POST", body: bytes | None = b"{}", **headers: str) -> int:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=10)
    try:
        connection.request(method, "/", body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://example.org"},
        {"origin": "null"},
        {"ORIGIN": "http://localhost:8000"},
        {"Sec_Fetch_Site": "cross-site"},
        {"sec_fetch_site": "same-origin"},
        {"Host": "rebound.example.org:9325"},
        {"Host": "127.0.0.1.example.org"},
    ],
)
@pytest.mark.parametrize("method", ["POST", "GET", "OPTIONS"])
def test_what_a_browser_sends_for_a_page_is_refused(port: int, method: str, headers: dict[str, str]) -> None:
    assert status(port, method, None if method == "GET" else b"{}", **headers) == 403


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "localhost:9325", "[::1]:9325"])
def test_what_a_program_sends_is_answered(port: int, host: str) -> None:
    assert status(port, Host=host) != 403
    assert status(port, "GET", None, Host=host) != 403


def test_a_name_that_comes_in_two_pieces_is_seen(fronted: int) -> None:
    with socket.create_connection((LOOPBACK, fronted), 10) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in (b"POST / HTTP/1.1\r\nHost: localhost\r\nOri", b"gin: https://example.org\r\n\r\n"):
            client.sendall(piece)
            time.sleep(0.1)
        assert client.recv(100).startswith(b"HTTP/1.1 403 ")


def test_the_second_request_of_a_connection_is_looked_at_too(fronted: int) -> None:
    connection = http.client.HTTPConnection(LOOPBACK, fronted, timeout=10)
    connection.request("POST", "/", b"{}")
    connection.getresponse().read()
    connection.request("POST", "/", b"{}", {"Origin": "https://example.org"})
    assert connection.getresponse().status == 403
    connection.close()


def test_an_sdk_works_through_the_front_whatever_its_texts_say(fronted: int) -> None:
    dynamodb = boto3.client(
        "dynamodb", endpoint_url=f"http://{LOOPBACK}:{fronted}", region_name=REGION, aws_access_key_id="local",
        aws_secret_access_key="local",
    )  # fmt: skip
    dynamodb.create_table(
        TableName="texts", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}], BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )  # fmt: skip
    text = "\r\nOrigin: x\r\nHost: example.org\r\n" + "x" * 300_000
    dynamodb.put_item(TableName="texts", Item={"id": {"S": "1"}, "text": {"S": text}})
    assert dynamodb.get_item(TableName="texts", Key={"id": {"S": "1"}})["Item"]["text"]["S"] == text


def test_while_the_server_is_away_the_front_closes_and_later_goes_on(tmp_path: Path) -> None:
    port, behind = free_port(), free_port()

    async def tried() -> tuple[bytes, bytes]:
        async with front(port, behind):
            before = await ask()
            server = await asyncio.start_server(answer, LOOPBACK, behind)
            after = await ask()
            server.close()
            await server.wait_closed()
            return before, after

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"here")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def ask() -> bytes:
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        try:
            writer.write(b"x")
            return await reader.read(4)
        except ConnectionError:
            return b""
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    assert asyncio.run(tried()) == (b"", b"here")


def test_two_stacks_that_start_at_once_keep_different_ports_where_browsers_do_not_go() -> None:
    with blocked_ports(2) as mine, blocked_ports(2) as others:
        assert {*mine, *others} <= set(BLOCKED_BY_BROWSERS)
        assert len({*mine, *others}) == 4
