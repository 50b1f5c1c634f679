"""
Requests to AWS: one signed HTTP client per process and service, for any table and queue.

DynamoDB and SQS both speak AWS JSON 1.0, so one call serves both. boto3 finds the credentials, the region and the
endpoint; libcurl signs and sends: on 2026-11-25 a GetItem cost 0.13 ms of CPU this way, 0.55 ms signed by botocore
and sent by urllib3, and twice that through boto3's own client (docs/decisions/0004-libcurl-for-aws-requests.md).
"""

from __future__ import annotations

import json
import os
import random
import re
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from functools import cache
from itertools import count
from typing import Any, TypeVar

import boto3
import botocore.session
import orjson
import pycurl
from botocore.exceptions import BotoCoreError
from botocore.httpsession import get_cert_path

from trashsite import tracing
from trashsite.aws_keys import Keys, NoKeys
from trashsite.stopping import Stopping
from trashsite.telemetry import DYNAMODB_UNITS, AwsRequest, count_aws_request

#: Error codes of throttling, whatever the HTTP status.
#: Source: AWS, Retry behavior: throttling and transient error codes.
THROTTLED = frozenset(
    {
        "BandwidthLimitExceeded", "KmsThrottled", "LimitExceededException", "OverLimit", "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException", "RequestLimitExceeded", "RequestThrottled",
        "RequestThrottledException", "SlowDown", "ThrottledException", "Throttling", "ThrottlingException",
        "ThrottlingError", "TooManyRequestsException", "TransactionInProgressException",
    }
)  # fmt: skip
#: Error codes of failures that may pass, from the same source.
TRANSIENT = frozenset(
    {
        "InternalError", "InternalFailure", "InternalServerError", "RequestTimeout", "RequestTimeoutException",
        "ServiceUnavailable",
    }
)  # fmt: skip

#: Expired credentials are renewed by their issuer: wait, do not give up.
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "RequestExpired"})

#: Where the region stands, as botocore's Session is told it: AWS's containers and other SDKs say AWS_REGION, and
#: botocore knows the longer name alone.
REGION = {"region": ("region", ["AWS_DEFAULT_REGION", "AWS_REGION"], None, None)}

CONNECT_TIMEOUT_S = 2.0
TIMEOUT_S = 2.5
PATIENCE_S = 5.0
#: Shorter than the pause before a batch is tried again (trashsite.sqs.dispatch), or that try would always fail.
SILENCE_S = 0.4
#: A connection that was in no use for so long is closed: after a rush there are more than are needed.
IDLE_S = 30.0
#: Requests that one call of side_by_side has in flight: as many as a page reads shards of an index.
AT_ONCE = 8
#: Set when this process stops: then no request is sent a second time.
stopping = Stopping()

#: DynamoDB's operations that take capacity units, and say how many where they are asked.
_READS = re.compile(r"(Batch)?GetItem|Query|Scan")
_WRITES = re.compile(r"(Batch)?(Put|Update|Delete|Write|Execute)(Item|Statement)")
#: Whether DynamoDB is asked for the units that each request takes: where metrics are served (trashsite.exposition).
asks_for_units = False

#: How spans name a service.
SPAN_NAMES = {"dynamodb": "DynamoDB", "sqs": "SQS"}
#: Each is called after each request that was sent, in the thread that sent it; it must not raise.
subscribers: list[Callable[[AwsRequest], None]] = [count_aws_request]

Answer = dict[str, Any]
Job = TypeVar("Job")
Result = TypeVar("Result")


class AwsUnavailable(Exception):
    """No usable answer: 5xx, throttled, or not in the expected form. Asking again may help."""

    #: How such requests are counted (telemetry.AWS_REQUESTS).
    outcome = "unavailable"


class AwsSilent(AwsUnavailable):
    """No answer at all: refused, reset, cut short, too slow."""

    outcome = "silent"


class AwsThrottled(AwsUnavailable):
    """AWS works, but accepts no more such requests for now."""

    outcome = "throttled"


class AwsError(Exception):
    """AWS answered that the request itself is wrong; `code` is AWS's error code."""

    outcome = "error"

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code


class AwsDenied(AwsError):
    """The role lacks the right to it: asking again will not help until somebody has given it."""


class Client:
    """One service's signed connections, safe to share between threads: each request has one to itself."""

    def __init__(self, service: str) -> None:
        # The endpoint, its region and the protocol's names come from boto3, which reads the environment,
        # the profile files and AWS_ENDPOINT_URL_*; its client is used only here.
        core = botocore.session.Session(REGION)
        session = boto3.Session(botocore_session=core)
        try:
            # With keys of its own it asks nobody for any, which may take seconds, under the lock of all clients.
            keys = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
            model = session.client(service, **keys)  # type: ignore[call-overload]
        except (BotoCoreError, OSError, ValueError) as error:
            raise AwsUnavailable(f"{service}: {error}") from error
        metadata = model.meta.service_model.metadata
        self.service = service
        self._silence = ""
        self._silent_until = 0.0
        self._url = model.meta.endpoint_url.rstrip("/") + "/"
        self._target = metadata["targetPrefix"]
        self._type = f"application/x-amz-json-{metadata['jsonVersion']}"
        signing_name = metadata.get("signingName", metadata["endpointPrefix"])
        self._signing = f"aws:amz:{model.meta.region_name}:{signing_name}"
        self._keys = Keys(session.get_credentials)
        # The certificates that botocore would trust, AWS_CA_BUNDLE included.
        self._authorities = get_cert_path(core.get_config_variable("ca_bundle") or True)
        #: Connections in no use, and since when; the one used last is last, and is used next.
        self._idle: deque[tuple[float, pycurl.Curl]] = deque()

    def call(
        self, operation: str, request: Mapping[str, Any], *, timeout_s: float = TIMEOUT_S, retry: int = 0
    ) -> Answer:
        """
        Send one request and return its answer; tell each of `subscribers` how it ended.

        operation: AWS's name, as "GetItem"; request and answer: AWS's JSON shapes; timeout_s: for all of it. retry:
        how many times it was sent before, for who counts. libcurl automatically sends it once more where a connection
        kept open has been closed meanwhile.
        Raises AwsUnavailable where asking again may help, AwsError where it will not.
        """
        if not tracing.is_wanted() or operation == "ReceiveMessage":
            return self._call(operation, request, timeout_s, retry)
        kind = "db.collection.name" if self.service == "dynamodb" else "messaging.destination.name"
        attributes = {"rpc.system.name": "aws-api", "rpc.method": operation, kind: resource_of(request)}
        with tracing.span(f"{SPAN_NAMES[self.service]}.{operation}", "CLIENT", attributes):
            return self._call(operation, request, timeout_s, retry)

    def _call(self, operation: str, request: Mapping[str, Any], timeout_s: float, retry: int) -> Answer:
        units = units_of(operation) if asks_for_units and self.service == "dynamodb" else ""
        body = _written({**request, "ReturnConsumedCapacity": "TOTAL"} if units else request)
        curl = self._prepared(operation, body, timeout_s)
        began, data, outcome = time.perf_counter(), b"", AwsSilent.outcome
        try:
            status, data = self._perform(curl, operation)
            answer = self._checked(operation, status, data)
            outcome = "ok"
            if units:
                _count_units(units, answer)
            return answer
        except (AwsUnavailable, AwsError) as error:
            outcome = error.outcome
            raise
        finally:
            event = AwsRequest(
                self.service, operation, resource_of(request), outcome, time.perf_counter() - began, retry,
                len(body), len(data),
            )  # fmt: skip
            for subscriber in subscribers:
                subscriber(event)

    def _perform(self, curl: pycurl.Curl, operation: str) -> tuple[int, bytes]:
        try:
            data = _performed(curl)
            if not data and curl.getinfo(pycurl.CONTENT_LENGTH_DOWNLOAD_T) < 0:
                raise AwsSilent(f"{self.service} {operation}: the answer was cut short")
            return curl.getinfo(pycurl.RESPONSE_CODE), data
        except pycurl.error as error:
            raise AwsSilent(f"{self.service} {operation}: {error.args[-1]}") from error
        finally:
            self._keep(curl)

    def _keep(self, curl: pycurl.Curl) -> None:
        """Keep a connection for the next request, and close those that none has needed for long."""
        now = time.monotonic()
        self._idle.append((now, curl))
        # Other threads take from the other end.
        with suppress(IndexError):
            while now - self._idle[0][0] > IDLE_S:
                self._idle.popleft()[1].close()

    def _connection(self) -> pycurl.Curl:
        curl = pycurl.Curl()
        curl.setopt(pycurl.URL, self._url)
        curl.setopt(pycurl.AWS_SIGV4, self._signing)
        curl.setopt(pycurl.CAINFO, self._authorities)
        curl.setopt(pycurl.CONNECTTIMEOUT_MS, int(CONNECT_TIMEOUT_S * 1000))
        # Signals belong to the main thread.
        curl.setopt(pycurl.NOSIGNAL, 1)
        return curl

    def _prepared(self, operation: str, body: bytes, timeout_s: float) -> pycurl.Curl:
        """Return a connection with a request to send. Raises AwsUnavailable where there is nothing to sign it with."""
        began = time.monotonic()
        try:
            keys = self._keys.current(timeout_s)
        except NoKeys as error:
            raise AwsSilent(f"{self.service} {operation}: {error}") from error
        left_s = timeout_s - (time.monotonic() - began)
        # An empty Expect stops libcurl from sending "Expect: 100-continue" before a large body.
        headers = [f"Content-Type: {self._type}", f"X-Amz-Target: {self._target}.{operation}", "Expect:"]
        if keys.token:
            headers.append(f"X-Amz-Security-Token: {keys.token}")
        try:
            _, curl = self._idle.pop()
        except IndexError:
            curl = self._connection()
        curl.setopt(pycurl.USERNAME, keys.access_key)
        curl.setopt(pycurl.PASSWORD, keys.secret_key)
        curl.setopt(pycurl.HTTPHEADER, headers)
        curl.setopt(pycurl.POSTFIELDS, body)
        curl.setopt(pycurl.TIMEOUT_MS, max(1, int(left_s * 1000)))
        return curl

    def patiently(
        self,
        operation: str,
        request: Mapping[str, Any],
        *,
        within_s: float = PATIENCE_S,
        at_once: type[AwsUnavailable] | tuple[()] = (),
    ) -> Answer:
        """
        Like call, but ask again, after growing and jittered pauses, while `within_s` seconds allow.

        at_once: errors that are raised without asking again.
        Raises AwsUnavailable once the time is over, after one try while this process stops, and without any try for
        SILENCE_S after another call gave up: hundreds of batches must not wait one after another.
        """
        deadline = time.monotonic() + within_s
        if time.monotonic() < self._silent_until:
            raise AwsUnavailable(f"{self._silence} (seen a moment ago)")
        for attempt in count(1):
            try:
                timeout_s = min(TIMEOUT_S, max(0.1, deadline - time.monotonic()))
                return self.call(operation, request, timeout_s=timeout_s, retry=attempt - 1)
            except at_once:
                raise
            except AwsUnavailable as error:
                pause = pause_s(attempt, first_s=0.05, most_s=1.0)
                if time.monotonic() + pause >= deadline or stopping.wait(pause):
                    if not isinstance(error, AwsThrottled):
                        self._silence = str(error)
                        self._silent_until = time.monotonic() + SILENCE_S
                    raise
        raise AssertionError("unreachable")

    def _checked(self, operation: str, status: int, data: bytes) -> Answer:
        try:
            answer = _read(data) if data else {}
        except (ValueError, RecursionError):
            answer = None
        if status == 200 and isinstance(answer, dict):
            return answer
        error = answer if isinstance(answer, dict) else {}
        code = str(error.get("__type", "")).rpartition("#")[2]
        message = str(error.get("message") or error.get("Message") or "")
        reason = f"{self.service} {operation}: status {status} {code} {message}".rstrip()
        if code in THROTTLED:
            raise AwsThrottled(reason)
        if status < 400 or status >= 500 or not code or code in TRANSIENT or code in EXPIRED:
            raise AwsUnavailable(reason)
        if code.startswith("AccessDenied"):
            raise AwsDenied(code, f"{self.service}:{operation} is not permitted. {message}".rstrip())
        raise AwsError(code, message)


def _written(request: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(request)
    except TypeError:
        # Half of a surrogate pair, say: the service itself shall name what it does not take.
        return json.dumps(request, separators=(",", ":")).encode()


def _read(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except ValueError:
        # JSON's grammar has more than orjson takes: half of a surrogate pair as an escape.
        return json.loads(data)


@cache
def units_of(operation: str) -> str:
    """Return which capacity units an operation of DynamoDB takes: "read", "write", or "" for none."""
    return "read" if _READS.fullmatch(operation) else "write" if _WRITES.fullmatch(operation) else ""


def _count_units(kind: str, answer: Answer) -> None:
    """Count the units of a DynamoDB answer, which it tells by table, in a list where a request may name several."""
    told = answer.get("ConsumedCapacity") or []
    if isinstance(told, dict):
        DYNAMODB_UNITS.add(told["CapacityUnits"], told["TableName"], kind)
        return
    # Of 25 statements it tells one by one, as a rule of one table.
    units = dict[str, float]()
    for each in told:
        units[each["TableName"]] = units.get(each["TableName"], 0.0) + each["CapacityUnits"]
    for table, taken in units.items():
        DYNAMODB_UNITS.add(taken, table, kind)


def resource_of(request: Mapping[str, Any]) -> str:
    """Return the name of the queue or table that a request is about, of the first where it names several; or ""."""
    if name := request.get("TableName") or request.get("QueueName"):
        return str(name)
    if url := request.get("QueueUrl"):
        return str(url).rpartition("/")[2]
    for name in request.get("RequestItems", ()):
        return str(name)
    for each in request.get("Statements", ()):
        # In PartiQL a table's name is the first text in quotation marks.
        return str(each["Statement"]).partition('"')[2].partition('"')[0]
    return ""


def _performed(curl: pycurl.Curl) -> bytes:
    if "gevent" in sys.modules:
        from gevent import get_hub, monkey

        if monkey.is_module_patched("threading"):
            # libcurl waits outside Python, where gevent cannot switch greenlets: let a real thread wait.
            return bytes(get_hub().threadpool.apply(curl.perform_rb))
    return bytes(curl.perform_rb())


def pause_s(attempt: int, *, first_s: float, most_s: float) -> float:
    """Return how long to wait before attempt number `attempt` + 1: doubling, with full jitter above half."""
    return min(most_s, first_s * 2.0 ** min(attempt - 1, 16)) * random.uniform(0.5, 1.0)  # noqa: S311


_making = threading.Lock()
# A process forked while another thread held the lock would wait for it for ever.
os.register_at_fork(after_in_child=lambda: globals().update(_making=threading.Lock()))


#: By service and process.
_clients: dict[tuple[str, int], Client] = {}


def client(service: str) -> Client:
    """
    Return this process's client for "dynamodb" or "sqs".

    A forked process gets its own: two processes must not share a connection. Created under a lock, since several
    threads that each create one cost 30 MB more (measured 2026-11-24).
    """
    key = service, os.getpid()
    if key not in _clients:
        with _making:
            if key not in _clients:
                _clients[key] = Client(service)
    return _clients[key]


@cache
def _threads(service: str, _pid: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=8 * AT_ONCE, thread_name_prefix=service)


def side_by_side(
    run: Callable[[Job], Result], jobs: Sequence[Job], *, service: str = "dynamodb", at_once: int = AT_ONCE
) -> list[Result]:
    """
    Return run(job) for each job, in order; up to `at_once` of them, at most AT_ONCE, run at the same time.

    service: whose requests they send. Each service has threads of its own, and no call has more than a share of them:
    extending the visibility of messages, or storing one report, must not wait for the thousand writes of others
    (measured 2026-11-26: 50 messages of 500 reports, delivered 130 times).
    """
    waiting, results = deque(enumerate(jobs)), dict[int, Result]()
    # Ten jobs in two rounds need five threads, not eight: to wake one takes some 80 µs of CPU (27 November 2026).
    rounds = max(1, -(-len(jobs) // at_once))
    threads = -(-len(jobs) // rounds)

    def run_on() -> None:
        while waiting:
            try:
                at, job = waiting.popleft()
            except IndexError:  # another thread was faster
                return
            results[at] = run(job)

    # The log lines and traces of these threads belong to whoever asked.
    others = [_threads(service, os.getpid()).submit(copy_context().run, run_on) for _ in range(threads - 1)]
    # One runs here: a single job needs no thread at all.
    run_on()
    for other in others:
        other.result()
    return [results[at] for at in range(len(jobs))]


def forget() -> None:
    """Drop every client, so that the next one is created from the environment as it is then."""
    _clients.clear()
