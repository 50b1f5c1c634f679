"""Places for jobs: how many at once, whose turn it is, and who has to wait."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from tests.support.servers import eventually
from trashsite.server.environ import environ_of
from trashsite.server.places import Places
from trashsite.server.visitors import Held, first_to_give_way, visitor_of


class Jobs:
    """Jobs that run until they are let go."""

    def __init__(self, count: int, waiting: int = 100) -> None:
        self.places = Places(count, waiting=waiting)
        self.threads = ThreadPoolExecutor(50)
        self.begun: list[str] = []
        self.may_end = threading.Semaphore(0)

    def start(self, visitor: str) -> None:
        self.threads.submit(self.places.run, visitor, lambda: self._work(visitor))

    def _work(self, visitor: str) -> None:
        self.begun.append(visitor)
        self.may_end.acquire()

    def end(self, count: int) -> None:
        self.may_end.release(count)
        self.threads.shutdown()


def test_one_visitor_leaves_a_quarter_of_the_places_to_others() -> None:
    jobs = Jobs(8)
    for _ in range(20):
        jobs.start("a crowd")
    eventually(lambda: len(jobs.begun) == 6)
    jobs.start("another")
    eventually(lambda: len(jobs.begun) == 7)
    assert jobs.begun == [*["a crowd"] * 6, "another"]
    jobs.end(21)
    assert len(jobs.begun) == 21


def test_those_who_wait_take_turns() -> None:
    jobs = Jobs(1)
    for visitor in ("first", *["a crowd"] * 5, "another"):
        begun, waits = len(jobs.begun), jobs.places._waiting_count
        jobs.start(visitor)
        eventually(lambda: len(jobs.begun) > begun or jobs.places._waiting_count > waits)  # noqa: B023
    jobs.end(7)
    assert jobs.begun[:3] == ["first", "a crowd", "another"]
    assert len(jobs.begun) == 7


def test_more_than_may_wait_are_refused() -> None:
    jobs = Jobs(1, waiting=1)
    jobs.start("one")
    eventually(lambda: len(jobs.begun) == 1)
    assert jobs.places.run("two", lambda: jobs.begun.append("two"))
    assert not jobs.places.run("three", lambda: jobs.begun.append("three"))
    jobs.end(1)
    assert jobs.begun == ["one", "two"]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 10)), max_size=20))
def test_who_holds_more_than_half_gives_way_and_else_who_holds_for_longest(pairs: list[tuple[str, float]]) -> None:
    held = [Held(visitor, since) for visitor, since in pairs]
    first = first_to_give_way(held)
    assert first == sorted(first, key=lambda each: each.since_s)
    crowds = {each.visitor for each in held if 2 * sum(other.visitor == each.visitor for other in held) > len(held)}
    assert {each.visitor for each in first} == (crowds or {each.visitor for each in held})


def test_an_environ_is_what_wsgi_says_and_no_header_can_stand_for_another() -> None:
    environ = environ_of(
        {
            "method": "GET", "raw_path": b"/reports/%C3%A9", "query_string": b"q=a%20b", "http_version": "1.1",
            "scheme": "http", "server": ("127.0.0.1", "8000"), "client": ("192.0.2.7", "50000"),
            "headers": [
                (b"host", b"localhost"), (b"content-type", b"text/csv"), (b"x_forwarded_for", b"198.51.100.1"),
                (b"accept", b"a"), (b"accept", b"b"), (b"cookie", b"c=1"), (b"cookie", b"d=2"), (b"x-odd", b"\xe9"),
            ],
        }
    )  # fmt: skip
    wanted = {
        "REQUEST_METHOD": "GET", "PATH_INFO": "/reports/\xc3\xa9", "QUERY_STRING": "q=a%20b",
        "REMOTE_ADDR": "192.0.2.7", "SERVER_PORT": "8000", "SERVER_PROTOCOL": "HTTP/1.1", "CONTENT_TYPE": "text/csv",
        "HTTP_HOST": "localhost", "HTTP_ACCEPT": "a,b", "HTTP_COOKIE": "c=1;d=2", "HTTP_X_ODD": "\xe9",
    }  # fmt: skip
    assert {name: environ.get(name) for name in wanted} == wanted
    assert "HTTP_X_FORWARDED_FOR" not in environ
    assert environ["wsgi.input"].read() == b""


def test_a_visitor_is_an_address_or_a_network_of_ipv6() -> None:
    assert visitor_of({"REMOTE_ADDR": "192.0.2.7", "HTTP_X_FORWARDED_FOR": "198.51.100.1"}) == "192.0.2.7"
    assert visitor_of({"REMOTE_ADDR": "2001:db8::1"}) == visitor_of({"REMOTE_ADDR": "2001:db8::2:3"})
    assert visitor_of({"REMOTE_ADDR": "::ffff:192.0.2.7"}) == "192.0.2.7"
    assert visitor_of({"REMOTE_ADDR": "fe80::1%eth0"}) == "fe80::/64"
    assert visitor_of({"REMOTE_ADDR": "2001:db8:1:2::1"}, prefix=48) == "2001:db8:1::/48"
    assert visitor_of({}) == visitor_of({"REMOTE_ADDR": ""}) == "unknown"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("198.51.100.1:5678", "198.51.100.1"),
        ("203.0.113.9, 198.51.100.1:5678", "198.51.100.1"),
        ("[2001:db8::1]:443", "2001:db8::/64"),
        ("[2001:db8::1]", "2001:db8::/64"),
        ("::ffff:198.51.100.1", "198.51.100.1"),
        ("[::ffff:198.51.100.1]:80", "198.51.100.1"),
        # Nothing that a proxy says of its peer: whoever sends such things shares the proxy's own address.
        ("x" * 9000, "192.0.2.7"),
        ("unknown:1", "192.0.2.7"),
        ("", "192.0.2.7"),
    ],
)
def test_a_port_in_x_forwarded_for_makes_no_other_visitor(settings: Settings, said: str, expected: str) -> None:
    settings.TRASH_PROXIES = 1

    assert visitor_of({"REMOTE_ADDR": "192.0.2.7", "HTTP_X_FORWARDED_FOR": said}) == expected
