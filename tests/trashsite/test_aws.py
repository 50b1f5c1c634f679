"""The client for AWS: every kind of broken answer is one of two errors, in time, and credentials may change."""

from __future__ import annotations

import gzip
import json
import os
import signal
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Barrier, Event, Thread
from threading import enumerate as enumerate_threads
from typing import Any

import pytest
import trustme
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.utils import ContainerMetadataFetcher

from stack.servers import REGION
from tests.support import fault_proxy as faults
from tests.support.fault_proxy import Call, Cut, Fault, FaultProxy, Reply
from tests.support.servers import eventually
from trashsite import aws, aws_keys
from trashsite.aws import AwsError, AwsSilent, AwsUnavailable

SECRET = "do-not/tell+anybody="


@pytest.fixture
def proxy(proxy_to: Callable[[str], FaultProxy], monkeypatch: pytest.MonkeyPatch) -> FaultProxy:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    return proxy_to("dynamodb")


def ask(**how: Any) -> dict[str, Any]:
    return aws.client("dynamodb").call("ListTables", {"Limit": 1}, **how)


def sends(data: bytes) -> Fault:
    """Return a fault that sends these bytes instead of an answer, and hangs up."""

    def fault(call: Call) -> Reply:
        raise Cut(data)

    return fault


def test_half_of_a_surrogate_pair_is_read_and_sent_as_an_escape(proxy: FaultProxy) -> None:
    proxy.inject(faults.answer(200, '{"TableNames":["\\ud800"]}'), times=1)
    assert ask() == {"TableNames": ["\ud800"]}
    with pytest.raises(AwsError):
        aws.client("dynamodb").call("GetItem", {"TableName": "\ud800", "Key": {}})


def test_an_answer_is_what_aws_said(proxy: FaultProxy) -> None:
    assert "TableNames" in ask()
    assert proxy.seen["ListTables"] == 1


@pytest.mark.parametrize(
    "fault",
    [
        faults.reset, faults.hang_up, faults.cut_short, faults.lose_answer, faults.never,
        sends(b"nonsense\r\n\r\n"), sends(b"HTTP/1.1 200 OK\r\n"), sends(b"HTTP/9.9 OK"), sends(b"\x00" * 100),
        sends(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{}"), sends(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 99_999),
        sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}"),
        faults.answer(200, gzip.compress(b"{}")),
        faults.html, faults.answer(200, "["), faults.answer(200, "[]"), faults.answer(200, "null"),
        faults.answer(200, '"x"'), faults.answer(200, "7"), faults.answer(200, "[" * 200_000),
        faults.answer(200, "9" * 5000), faults.answer(200, b"\xff\xfe"), faults.answer(200, "{} {}"),
        faults.answer(204, ""), faults.answer(301, ""), faults.answer(302, "{}"), faults.answer(400, ""),
        faults.answer(400, "<html>"), faults.answer(400, "[]"), faults.answer(403, "{}"), faults.answer(404, ""),
        faults.answer(429, ""), faults.answer(500, "{}"), faults.answer(502, "<html>"), faults.unavailable,
        faults.error("InternalServerError", 500), faults.error("ValidationException", 500),
        faults.throttled, faults.expired_token, faults.error("ThrottlingException", 400),
        faults.error("ProvisionedThroughputExceededException"), faults.error("RequestLimitExceeded"),
        faults.error("ServiceUnavailable"), faults.error("RequestTimeout"), faults.error("RequestExpired"),
    ],
)  # fmt: skip
def test_each_kind_of_broken_answer_means_ask_again(fault: Fault, proxy: FaultProxy) -> None:
    with proxy.broken(fault), pytest.raises(AwsUnavailable) as caught:
        ask(timeout_s=0.3)
    assert "ListTables" in str(caught.value)
    assert SECRET not in str(caught.value)
    # The next request is none the worse for it.
    assert "TableNames" in ask()


@pytest.mark.parametrize("code", ["ValidationException", "AccessDeniedException", "ResourceNotFoundException"])
@pytest.mark.parametrize("prefix", ["com.amazonaws.dynamodb.v20120810#", ""])
def test_a_request_that_is_wrong_raises_its_code(code: str, prefix: str, proxy: FaultProxy) -> None:
    said = json.dumps({"__type": prefix + code, "Message": "because"})
    with proxy.broken(faults.answer(400, said)), pytest.raises(AwsError, match="because") as caught:
        ask()
    assert caught.value.code == code
    assert not isinstance(caught.value, AwsUnavailable)


@pytest.mark.parametrize("said", [{"__type": 7}, {"__type": None}, {"__type": ["x#y"]}, {"message": {"a": 1}}])
def test_an_error_in_another_shape_is_an_error_all_the_same(said: dict[str, Any], proxy: FaultProxy) -> None:
    with proxy.broken(faults.answer(400, json.dumps(said))), pytest.raises((AwsUnavailable, AwsError)):
        ask()


def test_a_redirect_is_never_followed(proxy: FaultProxy) -> None:
    with proxy.broken(sends(b"HTTP/1.1 307 X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")):
        with pytest.raises(AwsUnavailable, match="status 307"):
            ask()
        assert proxy.seen["ListTables"] == 1


def test_a_refused_connection_means_ask_again(proxy: FaultProxy) -> None:
    proxy.refuse()
    with pytest.raises(AwsSilent):
        ask()
    proxy.heal()
    assert "TableNames" in ask()


# -- patience --------------------------------------------------------------------------------------------


#: What a busy machine may add to a wait; without its bound each of these waits would last many times longer.
SLACK_S = 2.0


def took(run: Callable[[], object]) -> float:
    began = time.monotonic()
    with pytest.raises(AwsUnavailable):
        run()
    return time.monotonic() - began


def patiently(within_s: float) -> dict[str, Any]:
    return aws.client("dynamodb").patiently("ListTables", {"Limit": 1}, within_s=within_s)


@pytest.mark.parametrize("fault", [faults.reset, faults.unavailable, faults.throttled, faults.expired_token])
def test_what_passes_in_time_is_not_even_seen(fault: Fault, proxy: FaultProxy) -> None:
    proxy.inject(fault, times=3)
    assert "TableNames" in patiently(5.0)
    assert proxy.seen["ListTables"] == 4


def test_what_is_wrong_is_not_asked_twice(proxy: FaultProxy) -> None:
    with proxy.broken(faults.error("ValidationException")), pytest.raises(AwsError):
        patiently(5.0)
    assert proxy.seen["ListTables"] == 1


@pytest.mark.parametrize("fault", [faults.reset, faults.unavailable, faults.never, faults.slow(60)])
def test_nobody_waits_longer_than_was_asked(fault: Fault, proxy: FaultProxy) -> None:
    with proxy.broken(fault):
        assert took(lambda: patiently(0.2)) < 0.2 + SLACK_S


def test_nobody_waits_longer_for_a_host_that_takes_no_connection(
    aws_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Once its backlog is full, Linux leaves further connections to a socket unanswered, as a firewall does.
    with socket.socket() as deaf, ExitStack() as others:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for _ in range(2):
            other = others.enter_context(socket.socket())
            other.setblocking(False)
            other.connect_ex(deaf.getsockname())
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", f"http://127.0.0.1:{deaf.getsockname()[1]}")
        aws.forget()
        aws.client("dynamodb")
        assert took(lambda: patiently(0.5)) < 0.5 + SLACK_S


@pytest.mark.parametrize("fault", [faults.reset, faults.unavailable])
def test_after_one_call_gave_up_the_others_fail_at_once_for_a_moment(
    fault: Fault, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Longer than a busy machine takes from one call to the next.
    monkeypatch.setattr(aws, "SILENCE_S", 2.0)
    proxy.inject(fault)
    assert took(lambda: patiently(0.3)) < 0.3 + SLACK_S
    assert took(lambda: patiently(30.0)) < SLACK_S
    proxy.heal()
    assert eventually(lambda: answered(lambda: patiently(1.0)))


def answered(run: Callable[[], object]) -> bool:
    try:
        run()
    except AwsUnavailable:
        return False
    return True


def test_a_process_that_stops_sends_a_request_once(proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    aws.stopping.set()
    try:
        assert "TableNames" in patiently(5.0)
        with proxy.broken(faults.unavailable):
            assert took(lambda: patiently(30.0)) < SLACK_S
        assert proxy.spoilt["ListTables"] == 1
    finally:
        aws.stopping.clear()


def test_pauses_grow_and_are_bounded() -> None:
    for attempt in range(1, 60):
        pause = aws.pause_s(attempt, first_s=0.1, most_s=2.0)
        assert min(2.0, 0.1 * 2 ** (attempt - 1)) / 2 <= pause <= 2.0


# -- credentials and configuration -----------------------------------------------------------------------


@pytest.fixture
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in the environment or on the machine that could be a key."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")


@pytest.fixture
def issuer(no_keys: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    """Issues another key each time, as a container's agent does; each lasts a minute, so that the next is due."""
    issued = iter(range(1, 1000))
    monkeypatch.setattr(aws_keys, "AGAIN_S", 0.0)
    monkeypatch.setattr(ContainerMetadataFetcher, "SLEEP_TIME", 0)

    def issue(call: Call) -> Reply:
        expires = datetime.now(UTC) + timedelta(minutes=1)
        key = {"AccessKeyId": f"KEY{next(issued)}", "SecretAccessKey": SECRET, "Token": "token"}
        return Reply(200, json.dumps({**key, "Expiration": expires.strftime("%Y-%m-%dT%H:%M:%SZ")}).encode())

    with FaultProxy("http://127.0.0.1:1") as started:
        started.inject(issue)
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", started.url + "/")
        yield started
    # Whatever asks still, is refused now; then it logs that, which is to be of this test.
    assert eventually(lambda: "aws-keys" not in {each.name for each in enumerate_threads()})


def key_of(call: Call) -> str:
    return call.headers["Authorization"].partition("Credential=")[2].partition("/")[0]


def test_keys_near_their_end_are_renewed_beside_the_requests_and_used_while_nobody_issues_any(
    proxy: FaultProxy, issuer: FaultProxy
) -> None:
    aws.forget()
    used: list[str] = []

    def note_the_key(call: Call) -> Reply:
        assert call.headers["X-Amz-Security-Token"] == "token"
        assert SECRET not in str(call.headers)
        used.append(key_of(call))
        return call.forward()

    proxy.inject(note_the_key)
    assert eventually(lambda: ask() and len(set(used)) >= 3)
    # While whoever issues keys is silent, nobody waits for that.
    asked = Event()

    def be_silent(call: Call) -> Reply:
        asked.set()
        return faults.never(call)

    issuer.heal()
    issuer.inject(be_silent)
    assert eventually(lambda: ask() and asked.is_set())
    ask()
    last = used[-1]
    began = time.monotonic()
    with ThreadPoolExecutor(4) as threads:
        assert all("TableNames" in answer for answer in threads.map(lambda _: ask(), range(8)))
    assert time.monotonic() - began < SLACK_S
    assert set(used[-8:]) == {last}


def test_without_keys_none_waits_for_another_and_all_end_in_time(proxy: FaultProxy, issuer: FaultProxy) -> None:
    issuer.heal()
    issuer.inject(faults.never)
    aws.forget()
    with ThreadPoolExecutor(4) as threads:
        assert max(threads.map(lambda _: took(lambda: ask(timeout_s=0.5)), range(4))) < 0.5 + SLACK_S
    assert proxy.seen.total() == 0


def test_a_token_that_sts_refuses_or_that_cannot_be_read_means_ask_again(
    proxy: FaultProxy, no_keys: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(call: Call) -> Reply:
        error = "<Error><Code>AccessDenied</Code><Message>not trusted</Message></Error>"
        return Reply(403, f"<ErrorResponse>{error}</ErrorResponse>".encode())

    with FaultProxy("http://127.0.0.1:1") as sts:
        sts.inject(refuse)
        token = tmp_path / "token"
        for name, value in {
            "AWS_ENDPOINT_URL_STS": sts.url,
            "AWS_ROLE_ARN": "arn:aws:iam::000000000000:role/worker",
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(token),
        }.items():
            monkeypatch.setenv(name, value)
        aws.forget()
        with pytest.raises(AwsUnavailable, match="token"):
            ask()
        token.write_text("signed")
        aws.forget()
        with pytest.raises(AwsUnavailable, match="AccessDenied"):
            ask()


def test_keys_that_come_late_are_found(proxy: FaultProxy, no_keys: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws_keys, "AGAIN_S", 0.0)
    aws.forget()
    with pytest.raises(AwsUnavailable, match="no AWS credentials found"):
        ask()
    # As when the metadata service was not there yet, in a process that goes on.
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    assert "TableNames" in ask()


def test_without_any_key_the_error_names_the_next_step(aws_environment: dict[str, str], no_keys: None) -> None:
    aws.forget()
    with pytest.raises(AwsUnavailable, match="set AWS_ACCESS_KEY_ID or a role"):
        ask()


def test_without_a_region_the_error_names_the_reason(
    aws_environment: dict[str, str], no_keys: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    aws.forget()
    with pytest.raises(AwsUnavailable, match="region"):
        ask()
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    assert "TableNames" in ask()


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_either_name_tells_the_region_whether_or_not_the_settings_were_read(
    aws_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for each in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(each, raising=False)
    monkeypatch.setenv(name, "eu-south-2")
    monkeypatch.delenv("AWS_ENDPOINT_URL_SQS")

    assert "eu-south-2" in aws.Client("sqs")._url


@pytest.mark.parametrize("token", ["", "a/long+token=="])
def test_each_request_is_signed_as_botocore_would_sign_it(
    token: str, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The stand-ins take any signature; AWS takes the right one only.
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SESSION_TOKEN", token)
    aws.forget()
    seen: list[Call] = []

    def note(call: Call) -> Reply:
        seen.append(call)
        return call.forward()

    with proxy.broken(note):
        for name in ("plain", "zwei Wörter, \N{WASTEBASKET}", "x" * 300_000):
            with suppress(AwsError):
                aws.client("dynamodb").call("DescribeTable", {"TableName": name})
    for call in seen:
        headers = {name.lower(): value for name, value in call.headers.items()}
        parts = dict(part.split("=", 1) for part in headers["authorization"].partition(" ")[2].split(", "))
        signed = parts["SignedHeaders"].split(";")
        assert {"host", "x-amz-date", "x-amz-target"} | ({"x-amz-security-token"} if token else set()) <= set(signed)
        request = AWSRequest("POST", proxy.url + "/", {name: headers[name] for name in signed}, call.body)
        request.context["timestamp"] = headers["x-amz-date"]
        signer = SigV4Auth(Credentials("AKIDEXAMPLE", SECRET, token or None), "dynamodb", REGION)
        expected = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
        assert parts["Signature"] == expected
        assert parts["Credential"].startswith("AKIDEXAMPLE/")
    assert len(seen) == 3


def test_https_is_spoken_with_those_alone_whose_authority_is_trusted(
    aws_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority, bundle = trustme.CA(), tmp_path / "authorities.pem"
    authority.cert_pem.write_to_path(str(bundle))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with HTTPServer(("127.0.0.1", 0), _Answers) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", f"https://localhost:{server.server_port}")
        aws.forget()
        with pytest.raises(AwsSilent, match="certificate"):
            ask()
        monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
        aws.forget()
        assert ask() == {"TableNames": []}
        server.shutdown()


class _Answers(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        answer = b'{"TableNames":[]}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        pass


# -- processes and threads -------------------------------------------------------------------------------


def test_threads_share_one_client_and_a_forked_process_has_its_own(aws_environment: dict[str, str]) -> None:
    ours = aws.client("dynamodb")
    assert aws.side_by_side(aws.client, ["dynamodb"] * 9) == [ours] * 9
    # Another thread may hold the lock at the moment of the fork.
    with aws._making:
        child = os.fork()
        if child == 0:
            signal.alarm(10)
            os._exit(0 if aws.client("dynamodb") is not ours else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_jobs_side_by_side_run_at_once_and_answer_in_order() -> None:
    all_run = Barrier(4)

    def job(number: int) -> int:
        all_run.wait(10)
        return number

    assert aws.side_by_side(job, [3, 0, 2, 1]) == [3, 0, 2, 1]
    assert aws.side_by_side(job, []) == []


@pytest.mark.parametrize("service", ["sqs", "dynamodb"])
def test_a_call_of_many_jobs_delays_no_other_call(service: str) -> None:
    busy = Event()
    writes = Thread(target=aws.side_by_side, args=(lambda _: busy.wait(20), range(60)))
    writes.start()
    try:
        with ThreadPoolExecutor(1) as threads:
            other = threads.submit(lambda: aws.side_by_side(lambda job: job, [1, 2, 3], service=service))
            assert other.result(10) == [1, 2, 3]
    finally:
        busy.set()
        writes.join()


@pytest.mark.parametrize("which", [0, 2])
def test_a_job_that_breaks_breaks_the_whole(which: int) -> None:
    def job(at: int) -> int:
        if at == which:
            raise AwsUnavailable(str(at))
        return at

    with pytest.raises(AwsUnavailable, match=str(which)):
        aws.side_by_side(job, [0, 1, 2])
