"""The fault proxy does to a connection what its faults say, and nothing to the rest."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
import urllib3

from tests.support import fault_proxy as faults
from tests.support.fault_proxy import Fault, FaultProxy
from tests.support.partial_answers import every, failed_entries
from tests.support.servers import eventually


@pytest.fixture
def proxy(aws_environment: dict[str, str]) -> Iterator[FaultProxy]:
    with FaultProxy(aws_environment["AWS_ENDPOINT_URL_SQS"]) as started:
        yield started


@pytest.fixture
def http() -> Iterator[urllib3.PoolManager]:
    with urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(2)) as pool:
        yield pool


def ask(
    http: urllib3.PoolManager, proxy: FaultProxy, operation: str = "ListQueues", **request: object
) -> tuple[int, bytes]:
    authorization = "AWS4-HMAC-SHA256 Credential=local/20261124/us-west-1/sqs/aws4_request"
    headers = {
        "X-Amz-Target": f"AmazonSQS.{operation}",
        "Content-Type": "application/x-amz-json-1.0",
        "Authorization": f"{authorization}, SignedHeaders=host, Signature=0",
    }
    answered = http.request("POST", proxy.url + "/", body=json.dumps(request), headers=headers)
    return answered.status, answered.data


def test_what_no_fault_is_meant_for_passes(proxy: FaultProxy, http: urllib3.PoolManager) -> None:
    proxy.inject(faults.reset, "ReceiveMessage")
    status, body = ask(http, proxy)
    assert (status, type(json.loads(body))) == (200, dict)
    assert (proxy.seen["ListQueues"], proxy.spoilt["ListQueues"]) == (1, 0)


@pytest.mark.parametrize("fault", [faults.reset, faults.hang_up, faults.cut_short, faults.lose_answer])
def test_a_connection_ends_as_the_fault_says_and_the_next_one_works(
    fault: Fault, proxy: FaultProxy, http: urllib3.PoolManager
) -> None:
    proxy.inject(fault, "ListQueues", times=1)
    with pytest.raises(urllib3.exceptions.ProtocolError):
        ask(http, proxy)
    assert ask(http, proxy)[0] == 200
    assert proxy.spoilt["ListQueues"] == 1


def test_a_lost_answer_is_of_work_that_was_done(proxy: FaultProxy, http: urllib3.PoolManager) -> None:
    proxy.inject(faults.lose_answer, "CreateQueue")
    with pytest.raises(urllib3.exceptions.ProtocolError):
        ask(http, proxy, "CreateQueue", QueueName="made-all-the-same")
    assert b"made-all-the-same" in ask(http, proxy)[1]


def test_canned_answers_come_as_they_were_put(proxy: FaultProxy, http: urllib3.PoolManager) -> None:
    proxy.inject(faults.html, times=1)
    proxy.inject(faults.expired_token, times=1)
    proxy.inject(faults.unavailable, times=1)
    assert b"<html>" in ask(http, proxy)[1]
    status, body = ask(http, proxy)
    assert (status, json.loads(body)["__type"]) == (403, "com.amazon.coral.service#ExpiredTokenException")
    assert ask(http, proxy) == (503, b"")
    assert ask(http, proxy)[0] == 200


def test_an_answer_that_never_comes_ends_when_the_proxy_heals(proxy: FaultProxy, http: urllib3.PoolManager) -> None:
    with proxy.broken(faults.never), pytest.raises(urllib3.exceptions.ReadTimeoutError):
        ask(http, proxy)
    assert ask(http, proxy)[0] == 200


def test_a_slow_answer_is_the_real_one(proxy: FaultProxy, http: urllib3.PoolManager) -> None:
    proxy.inject(faults.slow(0.3))
    began = time.monotonic()
    assert ask(http, proxy)[0] == 200
    assert time.monotonic() - began >= 0.3


def test_refused_connections_are_refused_until_it_heals(proxy: FaultProxy, http: urllib3.PoolManager) -> None:
    assert ask(http, proxy)[0] == 200
    proxy.refuse()
    with pytest.raises(urllib3.exceptions.HTTPError):
        ask(http, proxy)
    with pytest.raises(urllib3.exceptions.NewConnectionError):
        ask(http, proxy)
    proxy.heal()
    assert eventually(lambda: ask(http, proxy)[0] == 200)


def test_an_answer_can_be_edited(proxy: FaultProxy, http: urllib3.PoolManager) -> None:
    proxy.inject(faults.edit(lambda request, answer: {**answer, "asked": request}))
    assert json.loads(ask(http, proxy, MaxResults=7)[1])["asked"] == {"MaxResults": 7}


def test_some_entries_of_a_batch_fail_and_the_server_sees_the_others(
    proxy: FaultProxy, http: urllib3.PoolManager
) -> None:
    url = json.loads(ask(http, proxy, "CreateQueue", QueueName="half")[1])["QueueUrl"]
    proxy.inject(failed_entries(every(2)), "SendMessageBatch")
    entries = [{"Id": str(at), "MessageBody": f"body {at}"} for at in range(4)]
    answered = json.loads(ask(http, proxy, "SendMessageBatch", QueueUrl=url, Entries=entries)[1])
    assert [each["Id"] for each in answered["Failed"]] == ["0", "2"]
    assert [each["Id"] for each in answered["Successful"]] == ["1", "3"]
    received = json.loads(ask(http, proxy, "ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10)[1])
    assert sorted(each["Body"] for each in received["Messages"]) == ["body 1", "body 3"]
