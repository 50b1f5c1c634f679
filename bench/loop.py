"""
The reference: the loop that a good engineer writes by hand with boto3, one request after the other.

Receive ten, write their history in one batch, make each can's newest report its latest in another, delete ten: 0.4
requests a report. It writes the same rows to the same tables as the worker, and loses nothing: what could not
be stored is not deleted, what can never be stored is set aside. Started as `python -m bench.loop`.
"""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings

from bench.peer_rows import latest_values
from reports.formats.native import parse
from reports.report import EPOCH, InvalidReport, Report
from reports.store.dynamodb import HISTORY, LEVELS
from reports.store.keys import day_key, instant_key, order_key
from reports.store.report_items import history_item
from trashsite.names import full_name

logger = logging.getLogger("bench.loop")

#: Reports by their sort keys.
Rows = dict[str, Report]
TRIES = 6
CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 3}, connect_timeout=2, read_timeout=25)


class Loop:
    """One queue, two tables, no threads."""

    def __init__(self) -> None:
        self.sqs = boto3.client("sqs", config=CONFIG)
        self.dynamodb = boto3.client("dynamodb", config=CONFIG)
        self.url = self.sqs.get_queue_url(QueueName=full_name("trash-level"))["QueueUrl"]
        self.dead_url = self.sqs.get_queue_url(QueueName=full_name("trash-level-dead"))["QueueUrl"]
        self.stopping = False

    def run(self) -> None:
        """Work until SIGTERM."""
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "stopping", True))
        failures = 0
        while not self.stopping:
            try:
                answer = self.sqs.receive_message(
                    QueueUrl=self.url,
                    MaxNumberOfMessages=10,
                    WaitTimeSeconds=20,
                    MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
                )
                self.process(answer.get("Messages", ()))
                failures = 0
            except (BotoCoreError, ClientError) as error:
                # Messages in progress are not deleted: they come back after the visibility timeout.
                failures += 1
                logger.error("trying again: %s", error)
                time.sleep(min(20.0, 0.5 * 2**failures))

    def process(self, messages: Sequence[Any]) -> None:
        """Store valid reports, set aside invalid ones, and delete the messages for which all of that was done."""
        finished, rows, brought = [], Rows(), dict[str, set[str]]()
        for message in messages:
            sent_at = EPOCH + timedelta(milliseconds=int(message["Attributes"]["SentTimestamp"]))
            results = parse(message["Body"], sent_at)
            reports = {order_key(each): each for each in results if isinstance(each, Report)}
            rows |= reports
            brought[message["MessageId"]] = set(reports)
            if self.set_aside(message, [each for each in results if isinstance(each, InvalidReport)]):
                finished.append(message)
        unsaved = self.store(rows) if rows else set()
        self.delete([message for message in finished if not brought[message["MessageId"]] & unsaved])

    # -- storing -----------------------------------------------------------------------------------------

    def store(self, rows: Rows) -> set[str]:
        """Write the history and each can's newest report; return the keys that could not be written."""
        newest = {rows[key].can_id: key for key in sorted(rows)}
        unsaved = self.put_history(rows) if settings.TRASH_HISTORY_DAYS else set()
        return unsaved | self.put_latest({key: rows[key] for key in newest.values()})

    def put_history(self, rows: Rows) -> set[str]:
        """Write every row, sending again what DynamoDB left unprocessed."""
        name = full_name(HISTORY)
        left = [{"PutRequest": {"Item": history_item(report, key)}} for key, report in rows.items()]
        for attempt in range(TRIES):
            # An array of reports may bring more than one request takes.
            answers = [
                self.dynamodb.batch_write_item(RequestItems={name: left[at : at + 25]})  # type: ignore[dict-item]
                for at in range(0, len(left), 25)
            ]
            left = [each for answer in answers for each in answer["UnprocessedItems"].get(name, ())]  # type: ignore[misc]
            if not left:
                return self.mark_days(rows)
            time.sleep(0.1 * 2**attempt)
        return {each["PutRequest"]["Item"]["order_key"]["S"] for each in left}

    def mark_days(self, rows: Rows) -> set[str]:
        """Mark the summaries of past days, where there are any, as made before a late report."""
        over_before = instant_key(datetime.now(UTC) - timedelta(minutes=30))[:10]
        days = {(report.can_id, key[:10]): report for key, report in rows.items() if key[:10] < over_before}
        late = {f"{can_id} {day}": report for (can_id, day), report in days.items()}
        again = self.execute(late, mark)[1]
        return {key for key in rows if f"{rows[key].can_id} {key[:10]}" in again}

    def put_latest(self, rows: Rows) -> set[str]:
        """Update each can unless it holds a newer report: a new can is inserted, a throttled one tried again."""
        left = self.execute(rows, update)
        for attempt in range(TRIES):
            # Its condition failed: the can is new, or holds a newer report, or was new a moment ago.
            refused, throttled = left
            if refused:
                present, throttled_too = self.execute(refused, insert)
                older, throttled_again = self.execute(present, update)
                throttled = throttled | throttled_too | throttled_again
                if older:
                    logger.info("%d older than their can's newest", len(older))
            if not throttled:
                return set()
            time.sleep(0.1 * 2**attempt)
            left = self.execute(throttled, update)
        return set(left[0] | left[1])

    def execute(self, rows: Rows, statement: Callable[[str, Report], Any]) -> tuple[Rows, Rows]:
        """Run a statement a row, 25 a request; return the rows that were refused, and those to try again."""
        refused, again = Rows(), Rows()
        every = list(rows.items())
        for at in range(0, len(every), 25):
            batch = every[at : at + 25]
            answer = self.dynamodb.batch_execute_statement(Statements=[statement(*each) for each in batch])
            for (key, report), result in zip(batch, answer["Responses"], strict=True):
                match result.get("Error", {}).get("Code"):
                    case None:
                        pass
                    case "ConditionalCheckFailed" | "DuplicateItem":
                        refused[key] = report
                    case code:
                        logger.warning("statement failed: %s", code)
                        again[key] = report
        return refused, again

    # -- the queue ---------------------------------------------------------------------------------------

    def set_aside(self, message: Any, invalid: Sequence[InvalidReport]) -> bool:
        """Send what can never be stored to the dead letters; say whether all of it got there."""
        for each in invalid:
            try:
                self.sqs.send_message(
                    QueueUrl=self.dead_url,
                    MessageBody=each.text,
                    MessageAttributes={
                        "field": {"DataType": "String", "StringValue": each.field},
                        "reason": {"DataType": "String", "StringValue": each.rule[:250]},
                        "message_id": {"DataType": "String", "StringValue": message["MessageId"]},
                    },
                )
            except (BotoCoreError, ClientError) as error:
                logger.error("not set aside, so not deleted: %s", error)
                return False
        return True

    def delete(self, messages: Sequence[Any]) -> None:
        """Delete, and again what failed; what still fails comes back and is stored a second time to no effect."""
        entries = [{"Id": str(at), "ReceiptHandle": message["ReceiptHandle"]} for at, message in enumerate(messages)]
        for attempt in range(TRIES):
            if not entries:
                return
            answer = self.sqs.delete_message_batch(QueueUrl=self.url, Entries=entries)  # type: ignore[arg-type]
            failed = {each["Id"] for each in answer.get("Failed", ()) if not each["SenderFault"]}
            entries = [each for each in entries if each["Id"] in failed]
            if entries:
                time.sleep(0.1 * 2**attempt)
        logger.warning("%d messages could not be deleted", len(entries))


def update(key: str, report: Report) -> Any:
    """Return the statement that makes a report its can's latest, unless the can is new or holds a newer one."""
    values = latest_values(report, key)
    assignments = ", ".join(f'"{name}"=?' for name in values)
    return {
        "Statement": f'UPDATE "{full_name(LEVELS)}" SET {assignments} '  # noqa: S608 (values are parameters)
        "WHERE id=? AND (order_key < ? OR order_key IS MISSING)",
        "Parameters": [*values.values(), {"S": report.can_id}, {"S": key}],
    }


def mark(late: str, report: Report) -> Any:
    """Return the statement that marks a day's summary, which is refused where there is none."""
    return {
        "Statement": f'UPDATE "{full_name(HISTORY)}" SET dirty=? WHERE id=? AND order_key=?',  # noqa: S608
        "Parameters": [{"BOOL": True}, {"S": report.can_id}, {"S": day_key(late.rpartition(" ")[2])}],
    }


def insert(key: str, report: Report) -> Any:
    """Return the statement that stores the first report of a can."""
    values = {"id": {"S": report.can_id}, **latest_values(report, key)}
    members = ", ".join(f"'{name}': ?" for name in values)
    return {
        "Statement": f'INSERT INTO "{full_name(LEVELS)}" VALUE {{{members}}}',
        "Parameters": list(values.values()),
    }


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    Loop().run()
