"""Store what devices sent, set aside what can never be stored, then delete the messages."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

from celery import signals
from celery.concurrency import get_implementation
from django.conf import settings

from reports import queue, store
from reports.formats.readings import Reading
from reports.queue import QueueUnavailable, Rejected
from reports.report import InvalidReport, Report
from reports.store import StoreUnavailable
from reports.worker import catching_up, counters, limits, senders, uplinks
from reports.worker.alerts import rules, telling
from reports.worker.batch_log import batch_log
from reports.worker.counters import BatchCounts
from reports.worker.dead_letter_limit import DeadLetterLimit, RateLimit, invisible_s
from reports.worker.new_can_limit import RULE, NewCanLimit, Turns
from reports.worker.parsed_batch import Parsed, ParsedBatch, brought_by, invalid_in, messages_of, parse, without_invalid
from trashsite import telemetry
from trashsite.outage import Outage
from trashsite.sqs.delivery import Delivery

#: A logger of its own, since its lines are limited by settings.LOGGING: a flood must not fill the log.
set_aside_logger = logging.getLogger(f"{__name__}.set_aside")
#: With more invalid reports, or where they are more than half of several, the whole array becomes one dead letter.
MOST_LETTERS = 10
#: Characters of a reason in the log: a field's name may be long.
MOST_SAID = 300
#: A message received more often is kept for a retry here: SQS would move it away after queue.MAX_RECEIVES.
MOST_POSTPONED = queue.MAX_RECEIVES - 5
#: Where a batch has more, what came late before it waits.
MANY_REPORTS = 50
_throttling = Outage("storing what DynamoDB throttles or is slow to take")
dead_letter_limit = DeadLetterLimit(
    RateLimit(settings.TRASH_BRAKE_SET_ASIDE, settings.TRASH_BRAKE_WITHIN_S, settings.TRASH_BRAKE_PERCENT)
)
new_can_limit = NewCanLimit(Turns(settings.TRASH_NEW_CANS))


@signals.worker_init.connect
def _count_processes(sender: Any, **_: Any) -> None:
    is_prefork = get_implementation(sender.pool_cls).__module__ == "celery.concurrency.prefork"
    for limit in (dead_letter_limit.rate, new_can_limit.turns):
        limit.processes = int(sender.concurrency or 1) if is_prefork else 1


@signals.worker_process_init.connect
def _divide_the_limits(**_: Any) -> None:
    # A process of a prefork pool gets its share of the messages; a solo worker, which gets this signal too, all.
    for limit in (dead_letter_limit.rate, new_can_limit.turns):
        limit.divide_by_processes()


def store_batch(deliveries: Sequence[Delivery]) -> None:
    """
    Store the reports of a batch of messages, set aside what is invalid, and delete the messages.

    Raises StoreUnavailable or QueueUnavailable where the batch must come again; what was done of it is counted.
    """
    now = datetime.now(UTC)
    batch = ParsedBatch.of(deliveries)
    if batch.received > MANY_REPORTS:
        catching_up.put_off()
    watch = rules.watch()
    outcome = _put_reports(batch, now, watch, is_again=deliveries[0].receive_count > 1)
    later = messages_of(outcome.throttled, batch.parsed)
    settled, waits = _without_refused(batch.without(later), outcome.refused, now)
    aside = _tell_and_set_aside(batch, outcome, settled, {*later, *waits}, now, watch)
    # From here on nothing fails: a batch that has to come again must come again whole.
    queue.postpone(batch.unread)
    _postpone(aside.limited, waits, later)
    postponed = {delivery.receipt_handle for delivery in aside.limited}
    done = [each for each in settled if each[0].receipt_handle not in postponed]
    waiting = batch.without(delivery for delivery, _ in done)
    _count_and_delete(
        batch,
        outcome,
        len(brought_by((*outcome.throttled, *outcome.refused), waiting)) + len(invalid_in(waiting)),
        done=[delivery for delivery, _ in done],
        readings=aside.readings,
        set_aside=invalid_in(done),
        letters=aside.letters,
        postponed={
            "throttled": len(later),
            "limited": len(aside.limited),
            "unadmitted": len(waits),
            "unread": len(batch.unread),
        },
    )


def _put_reports(batch: ParsedBatch, now: datetime, watch: store.Watch | None, *, is_again: bool) -> store.Outcome:
    """
    Store the reports of a batch. is_again: whether it came before.

    Raises StoreUnavailable, also where a message cannot wait any longer; the messages that are done are deleted then.
    """
    reports = batch.reports()
    # Outside of what follows: where this fails nothing is stored, and the batch comes again whole.
    by_stream = limits.by_stream() if reports else {}
    admit = partial(new_can_limit.admit, is_again=is_again) if new_can_limit.turns.limit else None
    tries = 1 if is_again else store.TRIES
    try:
        outcome = store.put_reports(reports, now=now, tries=tries, admit=admit, by_stream=by_stream, watch=watch)
        if any(each.receive_count > MOST_POSTPONED for each in messages_of(outcome.throttled, batch.parsed)):
            left = (*outcome.throttled, *outcome.refused)
            raise StoreUnavailable("DynamoDB has throttled these reports for long", left, outcome)
    except StoreUnavailable as error:
        # Messages whose reports are stored need not wait for the rest. The batch comes again whole, so nothing is set
        # aside yet: each try would set it aside again. Nor is anything known of the sensors, so theirs wait.
        unsaved = messages_of(error.unsaved, batch.parsed)
        is_told = telling.is_told(error.outcome.changes)
        deleted = without_invalid(batch.without(unsaved)) if is_told and not batch.judged else []
        again = len(error.unsaved) + len(invalid_in(batch.parsed)) + batch.readings().total()
        _count_and_delete(batch, error.outcome, again, done=deleted)
        raise
    return outcome


class _SetAside(NamedTuple):
    """
    What became of what is no report.

    letters: dead letters written. limited: messages with invalid reports that have to come again, since dead letters
    are limited. readings: counts of those that no report came of.
    """

    letters: int
    limited: Sequence[Delivery]
    readings: Counter[str]


def _tell_and_set_aside(
    batch: ParsedBatch,
    outcome: store.Outcome,
    settled: Sequence[Parsed],
    without: Collection[Delivery],
    now: datetime,
    watch: store.Watch | None,
) -> _SetAside:
    """
    Tell of changed statuses, keep what is known of sensors, and set aside what is invalid.

    settled: the messages that are done, without: the others. Raises StoreUnavailable or QueueUnavailable.
    """
    deleted, readings = list[Delivery](), Counter[str]()
    try:
        # Before anything is set aside or deleted: where this fails, the batch comes again whole.
        telling.tell(outcome.changes)
        unlisted = uplinks.keep(batch.judged, now, without=without, watch=watch) if batch.judged else 0
        readings = batch.readings()
        try:
            letters, limited = _set_aside(settled, now)
        except QueueUnavailable:
            deleted = without_invalid(settled)
            raise
    except (StoreUnavailable, QueueUnavailable):
        left = len(outcome.throttled) + len(outcome.refused)
        again = left + len(invalid_in(batch.parsed)) + (batch.readings() - readings).total()
        _count_and_delete(batch, outcome, again, done=deleted, readings=readings)
        raise
    return _SetAside(letters, limited, readings + Counter(unlisted=unlisted))


def _postpone(limited: Sequence[Delivery], waits: Mapping[Delivery, int], later: Sequence[Delivery]) -> None:
    """
    Give messages back to the queue for a while.

    limited: since dead letters are limited. waits: since new cans are, each with its seconds. later: since DynamoDB
    throttles their cans.
    """
    queue.postpone(limited, lambda delivery: invisible_s(delivery.receive_count))
    queue.postpone(list(waits), waits.__getitem__)
    if later:
        _throttling.failed(f"{len(later)} messages are given back for a while")
        queue.postpone(later)
    else:
        _throttling.ended()


def _count_and_delete(
    batch: ParsedBatch,
    outcome: store.Outcome,
    again: int,
    *,
    done: Sequence[Delivery],
    readings: Mapping[str, int] = MappingProxyType({}),
    set_aside: Sequence[InvalidReport] = (),
    letters: int = 0,
    postponed: Mapping[str, int] | None = None,
) -> None:
    """
    Count what became of a batch, delete the messages that are done, and log the counts.

    In this order: a process that is killed before the delete has its messages counted again, as repeated, by whoever
    receives them next. One killed after the delete, and before it counted, would leave no count of them.

    again: what comes again with its message. set_aside: in `letters` dead letters. postponed: how many messages come
    again, by reason; None where the batch failed, and the others come again for that.
    """
    now_s = time.time()
    ages = [max(0.0, now_s - delivery.sent_at_ms / 1000) for delivery in done if not delivery.is_sent_again]
    telemetry.REPORT_AGE_SECONDS.observe_all(ages)
    others = {**readings, "repeated": outcome.repeated + readings.get("repeated", 0)}
    counts = BatchCounts(
        messages=len(done),
        failed=len(batch.parsed) + len(batch.unread) - len(done) if postponed is None else 0,
        received=batch.received,
        stored=outcome.stored,
        older=outcome.older,
        new_cans=outcome.new,
        emptied=outcome.emptied,
        set_aside=len(set_aside),
        again=again,
        letters=letters,
        ages_s=(min(ages), max(ages)) if ages else None,
        **others,
        **(postponed or {}),
    )
    counters.add(counts)
    counters.add_invalid(set_aside)
    queue.delete(done)
    batch_log.add(counts)


def _without_refused(
    parsed: Sequence[Parsed], refused: Sequence[Report], now: datetime
) -> tuple[list[Parsed], dict[Delivery, int]]:
    """
    Return messages that are done, and those with reports of new cans that have to wait, with their seconds.

    Where a message cannot wait any longer, its reports of new cans become invalid ones.
    """
    if not refused:
        return list(parsed), {}
    new = {report.can_id for report in refused}
    done, waits = list[Parsed](), dict[Delivery, int]()
    for delivery, results in parsed:
        mine = {each.can_id for each in results if isinstance(each, Report)} & new
        if not mine:
            done.append((delivery, results))
        elif (wait_s := new_can_limit.wait_s(delivery, len(mine), now)) is not None:
            waits[delivery] = wait_s
        else:
            done.append((delivery, _with_refused(delivery, results, mine)))
    return done, waits


def _with_refused(
    delivery: Delivery, results: Sequence[Report | InvalidReport], can_ids: Collection[str]
) -> list[Report | InvalidReport]:
    """Return what became of a message whose reports of these cans are invalid; of our own form each with its text."""
    check = senders.check_for(delivery.sender_id)

    def refuse(can_id: str) -> None:
        if check:
            check(can_id)
        if can_id in can_ids:
            raise InvalidReport("can_id", RULE)

    elements = parse(delivery, refuse)
    if not any(isinstance(each, Reading) for each in elements):
        return elements  # type: ignore[return-value]
    invalid = InvalidReport("can_id", RULE, text=delivery.body)
    return [invalid if isinstance(each, Report) and each.can_id in can_ids else each for each in results]


def _set_aside(parsed: Sequence[Parsed], now: datetime) -> tuple[int, Sequence[Delivery]]:
    """
    Set aside the invalid reports of messages.

    Returns how many dead letters that made, and the messages with invalid reports that have to come again, since dead
    letters are limited. Raises QueueUnavailable where not all could be set aside.
    """
    rejected = {delivery: letters for delivery, results in parsed if (letters := _rejected(delivery, results))}
    valid = len(parsed) - len(rejected)
    set_aside, limited = dead_letter_limit.split(list(rejected), valid=valid, now=now)
    letters = [letter for delivery in set_aside for letter in rejected[delivery]]
    queue.quarantine(letters)
    dead_letter_limit.count(valid=valid, set_aside=len(set_aside), limited=len(limited))
    for each in letters:
        set_aside_logger.warning(
            "set aside message %s: %s",
            each.delivery.first_message_id, str(each.error)[:MOST_SAID],
            extra={"message_id": each.delivery.first_message_id, "can_id": each.error.can_id},
        )  # fmt: skip
    return len(letters), limited


def _rejected(delivery: Delivery, results: Sequence[Report | InvalidReport]) -> list[Rejected]:
    """Return the dead letters of a message: one a report, or one for all where it has many invalid ones."""
    invalid = [each for each in results if isinstance(each, InvalidReport)]
    if len(invalid) > MOST_LETTERS or (len(invalid) > 1 and 2 * len(invalid) > len(results)):
        # Or a message of 1 KB would cost 500 letters and log lines. A redrive brings its valid reports as repeats.
        invalid = [InvalidReport.of_array(invalid, reports=len(results), text=delivery.body)]
    return [Rejected(each, delivery) for each in invalid]
