"""
Every metric, defined once; whatever happens is counted by these objects, where it happens.

Heartbeats, the pipeline page, Prometheus and the benchmarks read the same counts; docs/metrics.md lists them. No label
holds what a device or visitor sends: each has a few values that this program chooses.

A program that serves them keeps its counts in files (trashsite.exposition), in any other they are in memory. Counting
once takes about a microsecond.
"""

from __future__ import annotations

import os
import threading
from bisect import bisect_left
from collections import Counter as Count
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, ClassVar, NamedTuple, TypeVar

import prometheus_client
from prometheus_client import values
from prometheus_client.core import GaugeMetricFamily

from trashsite import kept_numbers
from trashsite.kept_numbers import Kept
from trashsite.outcomes import OUTCOMES

PREFIX = "trashsite_"
# Until counts are shared with other processes.
values.ValueClass = kept_numbers.Number


class _Metric:
    """
    One metric. name: without PREFIX, ending in its unit. labels: names, whose values each count gives in this order.

    What the library keeps for it is made when it is first counted, and again in a process that was forked.
    """

    kind: ClassVar[str]
    _class: ClassVar[Any]
    all: ClassVar[list[_Metric]] = []

    def __init__(self, name: str, help_text: str, labels: Sequence[str] = (), **options: Any) -> None:
        self.name = f"{PREFIX}{name}"
        self.help_text = help_text
        self.labels = tuple(labels)
        self._options = options
        self.forget()
        self.all.append(self)

    def forget(self) -> None:
        """Count from zero, or on from what is in this process's files."""
        self._lock = threading.Lock()
        self._made: Any = None
        self._children: dict[tuple[str, ...], Any] = {}

    def child(self, *labels: str) -> Any:
        """Return what is counted under these labels."""
        try:
            return self._children[labels]
        except KeyError:
            with self._lock:
                if self._made is None:
                    self._made = self._class(self.name, self.help_text, self.labels, registry=None, **self._options)
                if labels not in self._children:
                    self._children[labels] = self._begun(self._made.labels(*labels) if self.labels else self._made)
            return self._children[labels]

    def _begun(self, child: Any) -> Any:
        return child


class Counter(_Metric):
    """A number that only grows."""

    kind = "counter"
    _class = prometheus_client.Counter

    def forget(self) -> None:
        super().forget()
        #: What its file held when this process began, from an earlier process.
        self._before: dict[int, float] = {}

    def _begun(self, child: Any) -> Kept:
        # The number itself: what is around it in the library takes a third of the time of each count.
        kept: Kept = child._value.kept
        self._before[id(kept)] = kept[0]
        return kept

    def add(self, amount: float = 1, *labels: str) -> None:
        """Add to it."""
        kept = self._children.get(labels) or self.child(*labels)
        with kept_numbers.lock:
            kept[0] += amount

    def counted(self, *labels: str) -> int:
        """Return what this process has added so far."""
        kept = self.child(*labels)
        return int(kept[0] - self._before[id(kept)])


class Gauge(_Metric):
    """The number that any of the processes has set last."""

    kind = "gauge"
    _class = prometheus_client.Gauge

    def __init__(self, name: str, help_text: str, labels: Sequence[str] = ()) -> None:
        super().__init__(name, help_text, labels, multiprocess_mode="mostrecent")

    def set(self, value: float, *labels: str) -> None:
        """Replace it."""
        self.child(*labels).set(value)


class Buckets(NamedTuple):
    """How many values were at most each bound and above the one before, and the sum of all."""

    bounds: Sequence[float]
    counts: Sequence[Kept]
    total: Kept

    def add(self, value: float) -> None:
        """Count a value; the caller holds kept_numbers.lock."""
        self.counts[bisect_left(self.bounds, value)][0] += 1
        self.total[0] += value


class Histogram(_Metric):
    """How often a value was at most each of `buckets`, and the sum of all values."""

    kind = "histogram"
    _class = prometheus_client.Histogram

    def __init__(self, name: str, help_text: str, buckets: Sequence[float], labels: Sequence[str] = ()) -> None:
        super().__init__(name, help_text, labels, buckets=buckets)

    def _begun(self, child: Any) -> Buckets:
        return Buckets(child._upper_bounds, [each.kept for each in child._buckets], child._sum.kept)

    def observe(self, value: float, *labels: str) -> None:
        """Count a value."""
        buckets = self.child(*labels)
        with kept_numbers.lock:
            buckets.add(value)

    def observe_all(self, values: Sequence[float]) -> None:
        """Count values of a histogram without labels at once: a hundred cost 20 µs, one by one 190."""
        bounds, counts, total = self.child()
        found = Count(bisect_left(bounds, value) for value in values)
        with kept_numbers.lock:
            total[0] += sum(values)
            for at, count in found.items():
                counts[at][0] += count


class Told(_Metric):
    """A number that one process finds out, and tells when it is asked: not kept, so it ends with that process."""

    kind = "gauge"

    def family(self, numbers: Mapping[tuple[str, ...], float]) -> GaugeMetricFamily:
        """Return it with its present numbers, by the values of its labels."""
        family = GaugeMetricFamily(self.name, self.help_text, labels=self.labels)
        for labels, number in numbers.items():
            family.add_metric(labels, number)
        return family


_Find = TypeVar("_Find", bound=Callable[..., Any])
_found: list[Any] = []


def _found_once(find: _Find) -> _Find:
    """Keep what a function finds of this process's counts, until they begin anew."""
    kept = cache(find)
    _found.append(kept)
    return kept  # type: ignore[return-value]


def forget() -> None:
    """Begin all counts of this process anew: it was forked, or its counts are kept elsewhere from now on."""
    for metric in _Metric.all:
        metric.forget()
    for found in _found:
        found.cache_clear()


# A child has counted nothing yet; and a lock that another thread held during the fork would never be free again.
os.register_at_fork(after_in_child=forget)


# -- the worker ------------------------------------------------------------------------------------------

#: Fields that a report's rules name. What a device calls its own attributes is "other".
FIELDS = frozenset({"message", "report", "can_id", "level", "measured_at", "stream", "location"})
#: Seconds within which a report should be readable (99 of 100), and by how much it was missed.
AGES_S = (0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600, 14400, 86400)

MESSAGES_RECEIVED = Counter("messages_received", "Messages received from the queue, those that come again included.")
MESSAGES = Counter(
    "messages",
    "Messages by what became of them: settled (done, then deleted); throttled, limited, unadmitted, unread (given back "
    "for a while, as DynamoDB throttles their can, dead letters or new cans are limited, or another version wrote what "
    "is entered of their sensor); failed (their batch is tried again, or given back).",
    ["outcome"],
)
MESSAGES_DELETED = Counter("messages_deleted", "Messages that SQS has deleted.")
MESSAGES_UNLISTED = Counter(
    "messages_unlisted", "Messages of sensors that nobody has registered, not kept since their list is full."
)
NEW_CANS = Counter("new_cans", "Cans of which a report was stored for the first time.")
EMPTYINGS = Counter("emptyings", "Emptyings of cans that reports which came in order have confirmed.")
REPORTS_RECEIVED = Counter(
    "reports_received", "Reports, and readings of sensors, in the messages of batches that were processed."
)
REPORTS = Counter(
    "reports", f"Reports by what became of them: {', '.join(OUTCOMES)}. They sum to those received.", ["outcome"]
)
REPORTS_OLDER = Counter("reports_older", "Of the reports stored, those older than the newest of their can.")
REPORTS_INVALID = Counter("reports_invalid", "Reports that were set aside, by the field that broke a rule.", ["field"])
LETTERS = Counter("letters_written", "Dead letters written by the worker; one may hold a whole array of reports.")
BATCHES = Counter("batches", "Batches by how their task ended: done, unavailable (AWS), error (ours).", ["outcome"])
BATCH_SECONDS = Histogram(
    "batch_seconds",
    "From the begin of a batch's task to its end.",
    (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20),
)
#: Up to the messages of a full batch, and one less.
BATCH_MESSAGES = Histogram("batch_messages", "Messages in one batch.", (1, 2, 5, 10, 20, 40, 60, 80, 99, 100))
REPORT_AGE_SECONDS = Histogram(
    "report_age_seconds",
    "How long ago a message was sent when its reports were stored and could be read; none counts that is sent again "
    "after it had left the queue.",
    AGES_S,
)
OLDEST_AGE = Gauge(
    "oldest_report_age_seconds",
    "How old the oldest message of the last batch was when it was stored, as counted above.",
)
LAST_STORED = Gauge("last_stored_timestamp_seconds", "When reports were last stored, in seconds since 1970.")

ALERTS = Counter(
    "alerts",
    "Alerts: queued (a change of a status that is to be told); delivered, skipped (not to be told), failed (set aside, "
    "never delivered), each by rule and alert; tried (a delivery that failed and is tried again).",
    ["outcome"],
)
ALERT_SECONDS = Histogram(
    "alert_delivery_seconds", "Of one delivery, successful or not.", (0.05, 0.1, 0.25, 0.5, 1, 2, 4), ["channel"]
)

# What one worker at a time finds out for all, twice a minute.
QUEUE_MESSAGES = Told(
    "queue_messages",
    "About how many messages there are, as SQS estimates: waiting, in_flight (received, not deleted), dead (letters).",
    ["state"],
)
DEAD_ALERTS = Told("dead_alerts", "About how many alerts on cans are set aside, never delivered, as SQS estimates.")
WORKERS = Told(
    "workers", "Worker processes with a heartbeat: working, problem, silent (for 28 s to 10 min).", ["state"]
)

# -- requests to AWS -------------------------------------------------------------------------------------

AWS_REQUESTS = Counter(
    "aws_requests",
    "Requests sent to AWS, by how they ended: ok, throttled, silent (no answer), unavailable (5xx), error (refused).",
    ["service", "operation", "resource", "outcome"],
)
AWS_SECONDS = Histogram(
    "aws_request_seconds",
    "Until an answer of AWS was there. A receive waits for messages, up to 4 s.",
    (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 9),
    ["service", "operation"],
)
AWS_RETRIES = Counter("aws_retries", "Requests that were an earlier one sent again.", ["service", "operation"])
AWS_THROTTLED = Counter(
    "aws_throttled_items",
    "Items that DynamoDB or SQS throttled, a whole request or parts of one.",
    ["service", "operation"],
)
AWS_BYTES = Counter("aws_bytes", "Bytes of the bodies sent to AWS and received from it.", ["service", "direction"])
DYNAMODB_UNITS = Counter(
    "dynamodb_units",
    "Capacity units that DynamoDB says it took, indexes included: what it is paid by.",
    ["table", "kind"],
)

# -- the web server --------------------------------------------------------------------------------------

WEB_REQUESTS = Counter(
    "web_requests",
    'Requests answered, by the route\'s pattern; route "refused": by the server, before Django or in its stead.',
    ["method", "route", "status"],
)
WEB_SECONDS = Histogram(
    "web_request_seconds",
    "Until Django had an answer, without the time that sending it takes.",
    (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    ["route"],
)
FLEET_CANS = Gauge("fleet_cans", "Cans by status, as the fleet was last counted: at least once an hour.", ["status"])
FLEET_COUNTED = Gauge("fleet_counted_timestamp_seconds", "When the fleet was last counted, in seconds since 1970.")
WEB_SUSPICIOUS = Counter(
    "web_suspicious", "Requests that Django refused as suspicious, by kind, as DisallowedHost.", ["kind"]
)


class AwsRequest(NamedTuple):
    """
    One request to AWS that was sent, and how it ended.

    resource: the queue or table, with the deployment's suffix; "" where a request names none. outcome: as AWS_REQUESTS
    says. retry: how many times it had been sent before.
    """

    service: str
    operation: str
    resource: str
    outcome: str
    duration_s: float
    retry: int
    sent_bytes: int
    received_bytes: int


@_found_once
def _changed_by_aws(service: str, operation: str, resource: str, outcome: str) -> tuple[Kept, Buckets, Kept, Kept]:
    return (
        AWS_REQUESTS.child(service, operation, resource, outcome),
        AWS_SECONDS.child(service, operation),
        AWS_BYTES.child(service, "sent"),
        AWS_BYTES.child(service, "received"),
    )


def count_aws_request(sent: AwsRequest) -> None:
    """Count a request to AWS."""
    service, operation, resource, outcome, duration_s, retry, sent_bytes, received_bytes = sent
    requests, seconds, bytes_sent, bytes_received = _changed_by_aws(service, operation, resource, outcome)
    with kept_numbers.lock:
        requests[0] += 1
        seconds.add(duration_s)
        bytes_sent[0] += sent_bytes
        bytes_received[0] += received_bytes
    if retry:
        AWS_RETRIES.add(1, service, operation)
    if outcome == "throttled":
        AWS_THROTTLED.add(1, service, operation)


@_found_once
def _changed_by_web(method: str, route: str, status: int) -> tuple[Kept, Buckets]:
    return WEB_REQUESTS.child(method, route, str(status)), WEB_SECONDS.child(route)


def count_web_request(method: str, route: str, status: int, duration_s: float) -> None:
    """Count a request that Django answered. method, route: with a bounded number of values."""
    requests, seconds = _changed_by_web(method, route, status)
    with kept_numbers.lock:
        requests[0] += 1
        seconds.add(duration_s)
