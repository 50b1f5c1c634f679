"""A month's bill for the stack of deploy/cloudformation.yml and a fleet's reports."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from reports.management.costs.measured import AtRate, Measured
from reports.management.costs.prices import Prices

#: Source: AWS's own pricing pages count a month as 730 hours.
HOURS = 730
#: A task of the template by default, and the share of its CPU that the average load may take.
TASK_VCPU, TASK_GB, LOAD = 0.25, 0.5, 0.5
#: What the template makes once: web tasks, addresses of the load balancer, GB of the database, secrets, and alarms,
#: those that scaling makes counted; the share of a load balancer's unit that a small site uses.
WEB_TASKS, BALANCER_ADDRESSES, DATABASE_GB, SECRETS, ALARMS, BALANCER_UNITS = 1, 2, 20, 4, 9, 0.1
#: A worker asks the queue of alerts so often in an hour, whatever is reported: a receive waits four seconds.
ALERT_POLLS = 900
NOT_COUNTED = (
    "traffic to the internet, what pages and the hourly count of the fleet read of DynamoDB, the rows of the cans "
    "themselves, the image's storage, backups beyond the database's size, e-mails, support, taxes"
)


@dataclass(frozen=True, slots=True)
class Fleet:
    """So many cans, each of which reports every `every_s` seconds; history_days: 0 where none is kept."""

    cans: int
    every_s: int
    history_days: int

    @property
    def per_s(self) -> float:
        """Reports a second."""
        return self.cans / self.every_s

    @property
    def reports(self) -> float:
        """Reports a month."""
        return self.per_s * HOURS * 3600


@dataclass(frozen=True, slots=True)
class Line:
    """What a service takes for one thing in a month. per_report: whether it grows with the reports."""

    service: str
    what: str
    quantity: float
    unit: str
    usd: float
    per_report: bool = False


def workers(fleet: Fleet, measured: Measured) -> int:
    """Return how many worker tasks a fleet needs."""
    vcpu = fleet.per_s * measured.at(fleet.per_s).cpu_ms / 1000
    return max(1, math.ceil(vcpu / (TASK_VCPU * LOAD)))


def monthly_bill(fleet: Fleet, measured: Measured, prices: Prices) -> list[Line]:
    """Return the lines of a month's bill, by service."""
    count = workers(fleet, measured)
    at = measured.at(fleet.per_s)
    return [
        *_sqs(fleet, measured, prices, at, count),
        *_dynamodb(fleet, measured, prices, count),
        *_stack(prices, count),
        _logs(fleet, prices, at),
    ]


def _sqs(fleet: Fleet, measured: Measured, prices: Prices, at: AtRate, count: int) -> Iterator[Line]:
    def line(what: str, requests: float, *, per_report: bool = True) -> Line:
        usd = requests / 1e6 * prices.usd["sqs_million_requests"]
        return Line("SQS", what, requests / 1e6, "million requests", usd, per_report)

    yield line("sent by devices, one report a message", fleet.reports)
    yield line("received and deleted by workers", fleet.reports * at.sqs_requests)
    yield line("workers' polls of the queue of alerts", ALERT_POLLS * HOURS * count, per_report=False)
    if fleet.per_s < at.per_s:
        # Slower than what was measured: the worker waits in long polls most of the time.
        yield line("an idle worker's polls", measured.idle_sqs_requests * HOURS * 60, per_report=False)


def _dynamodb(fleet: Fleet, measured: Measured, prices: Prices, count: int) -> Iterator[Line]:
    def units(what: str, kind: str, number: float, *, per_report: bool = True) -> Line:
        usd = number / 1e6 * prices.usd[f"dynamodb_million_{kind}_units"]
        return Line("DynamoDB", what, number / 1e6, f"million {kind} units", usd, per_report)

    writes = measured.write_units - (0 if fleet.history_days else measured.history_write_units)
    yield units("writes of reports", "write", fleet.reports * writes)
    yield units("reads of cans' rows", "read", fleet.reports * measured.read_units)
    yield units("heartbeats", "write", measured.idle_write_units * HOURS * 60 * count, per_report=False)
    kept = fleet.per_s * fleet.history_days * 24 * 3600
    gigabytes = kept * measured.history_bytes / 1e9
    price = prices.usd["dynamodb_gb_month"] + prices.usd["dynamodb_gb_month_of_recovery"]
    what = f"history of {fleet.history_days} days once it is full, with recovery"
    yield Line("DynamoDB", what, gigabytes, "GB", gigabytes * price, True)


def _stack(prices: Prices, count: int) -> Iterator[Line]:
    def line(service: str, what: str, number: float, unit: str, price: float) -> Line:
        return Line(service, what, number, unit, number * price)

    usd = prices.usd
    task = TASK_VCPU * usd["fargate_vcpu_hour"] + TASK_GB * usd["fargate_gb_hour"]
    kind = f"of {TASK_VCPU} vCPU and {TASK_GB} GB"
    addresses = BALANCER_ADDRESSES + WEB_TASKS + count
    yield line("Fargate", f"{count} worker{'s' * (count > 1)} {kind}", count * HOURS, "hours", task)
    yield line("Fargate", f"{WEB_TASKS} web server {kind}", WEB_TASKS * HOURS, "hours", task)
    yield line("Load balancer", "hours", HOURS, "hours", usd["balancer_hour"])
    yield line("Load balancer", "a tenth of a unit", BALANCER_UNITS * HOURS, "unit hours", usd["balancer_unit_hour"])
    yield line("VPC", f"{addresses} public addresses", addresses * HOURS, "hours", usd["address_hour"])
    yield line("RDS", "PostgreSQL, db.t4g.micro", HOURS, "hours", usd["postgresql_hour"])
    yield line("RDS", "its storage", DATABASE_GB, "GB", usd["postgresql_gb_month"])
    yield line("Secrets Manager", "secrets", SECRETS, "secrets", usd["secret_month"])
    yield line("CloudWatch", "alarms", ALARMS, "alarms", usd["cloudwatch_alarm_month"])


def _logs(fleet: Fleet, prices: Prices, at: AtRate) -> Line:
    gigabytes = fleet.reports * at.log_bytes / 1e9
    price = prices.usd["cloudwatch_gb_of_logs"] + prices.usd["cloudwatch_gb_month_of_logs"]
    return Line("CloudWatch", "the workers' log, kept for a month", gigabytes, "GB", gigabytes * price, True)
