"""
What a worker does with readings of bought sensors: their mountings make them reports, or they are held, or they wait.

Two steps, since a batch has to be able to come again: `judge` reads and decides before the reports are stored, `keep`
writes what is known of the sensors after. Of a batch of our own reports alone neither asks anything.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from reports import formats, queue, register_kinds, store
from reports.formats import registered, sensor_state
from reports.formats.mounting import NOT_CALIBRATED, Held, mounting_of, to_report
from reports.formats.readings import Reading, Verdict
from reports.formats.registered import Registered
from reports.formats.sensor_state import SensorState, state_of
from reports.insight.alarms import Told, later
from reports.insight.alarms import told as told_at
from reports.report import InvalidReport, Report
from reports.store import KeptMessage, LowBattery, StoredState, Watch
from reports.worker import senders
from reports.worker.alerts import telling
from reports.worker.register import Register
from reports.worker.waiting import Sighting, WaitingList
from trashsite.sqs.delivery import Delivery

SENSORS: Register[Registered] = Register(register_kinds.SENSOR, registered.from_text)
WAITING = WaitingList()

_Elements = tuple[Delivery, Sequence[formats.Element]]
_Told = tuple[Reading, str, str, Delivery]
NOT_MOUNTED = "the sensor was mounted in no can then"
#: Receives, over two hours, in which a message waits for a worker that can read its sensor's entry. Then the sensor
#: counts as one that nobody has registered, before SQS moves its message away.
MOST_UNREAD = queue.MAX_RECEIVES - 5


@dataclass(slots=True)
class Judged:
    """
    A batch of messages in which no readings are left.

    parsed: each message with its reports and what is invalid. received: how many of these and of readings there were.
    held, ignored, repeated, waiting: readings without a report; those that wait may get one later. unread: messages
    that are in none of these, and have to come again: of a sensor whose entry this version of the program cannot read.
    """

    parsed: list[tuple[Delivery, list[Report | InvalidReport]]] = field(default_factory=list)
    unread: list[Delivery] = field(default_factory=list)
    received: int = 0
    held: int = 0
    ignored: int = 0
    repeated: int = 0
    waiting: int = 0
    #: By key of a registered sensor: its readings, with verdict and reason, and the messages that brought them.
    _told: dict[str, list[_Told]] = field(default_factory=lambda: defaultdict(list))
    _entries: Mapping[str, Registered] = field(default_factory=dict)
    _stored_states: Mapping[str, StoredState] = field(default_factory=dict)
    #: Those of these sensors whose battery was low before the batch, and when each was heard then.
    _was_low: dict[str, datetime] = field(default_factory=dict)
    #: The states with the first so many of what was told folded in: `_state_now` folds in the others.
    _states: dict[str, SensorState | None] = field(default_factory=dict)
    _folded: dict[str, int] = field(default_factory=dict)
    _sightings: dict[str, list[Sighting]] = field(default_factory=lambda: defaultdict(list))
    #: What mounted sensors told of fire and tilt where no report came of it: the can, and the message.
    _held: list[tuple[str, Told, Delivery]] = field(default_factory=list)


def judge(parsed: Sequence[_Elements]) -> Judged:
    """
    Make reports of the readings of registered sensors, and note what the others told.

    parsed: each message with what `formats.parse` made of it. Raises StoreUnavailable.
    """
    judged = Judged()
    keys = {each.frame.key for _, elements in parsed for each in _readings(elements) if each.frame.key}
    entries = SENSORS.entries(sorted(keys))
    unread = SENSORS.unread(keys - entries.keys())
    judged._stored_states = store.sensor_states(sorted(entries)) if entries else {}
    judged._entries = entries
    judged._states = {key: state_of(state.text) for key, state in judged._stored_states.items()}
    judged._was_low = {key: each.heard_at for key, each in judged._states.items() if each and each.is_battery_low}
    for delivery, elements in parsed:
        is_unread = unread and any(each.frame.key in unread for each in _readings(elements))
        if is_unread and delivery.receive_count <= MOST_UNREAD:
            judged.unread.append(delivery)
            continue
        results: list[Report | InvalidReport] = []
        check_can_id = senders.check_for(delivery.sender_id)
        read = _as_registered(delivery, elements, entries, check_can_id)
        judged.received += len(read)
        for element in read:
            if not isinstance(element, Reading):
                results.append(element)
            elif report := _judge_one(judged, delivery, element, entries.get(element.frame.key or "")):
                results.append(_checked(report, check_can_id, delivery))
        judged.parsed.append((delivery, results))
    return judged


def keep(judged: Judged, now: datetime, *, without: Collection[Delivery] = (), watch: Watch | None = None) -> int:
    """
    Write what is known of the sensors; return how many messages of unregistered sensors were not kept.

    without: messages that come again. watch: of which changes of a can's status to tell. Call it once the reports are
    stored: what comes again must not find its frames known, or its reports would count as stored. Raises
    StoreUnavailable, and QueueUnavailable where a change could not be told.
    """
    if without:
        told = {key: [each for each in mine if each[3] not in without] for key, mine in judged._told.items()}
        judged._told = {key: mine for key, mine in told.items() if mine}
        judged._states, judged._folded = {key: state_of(judged._stored_states[key].text) for key in judged._told}, {}
        judged._held = [each for each in judged._held if each[2] not in without]
    if judged._told:
        low, good = _batteries(judged)
        # Before the states: a battery that is low by its state is never missing from the list of these.
        if low:
            store.note_low_batteries(low, now)
        store.change_states({key: judged._stored_states[key] for key in judged._told}, partial(_changed, judged))
        if good:
            store.forget_low_batteries(good)
    held: dict[str, Told] = {}
    for can_id, each, _ in judged._held:
        if (last := later(held.get(can_id), each)) is not None:
            held[can_id] = last
    if held:
        telling.tell(store.hold_in_rows(held, now, watch))
    return WAITING.add(judged._sightings, now) if judged._sightings else 0


def _batteries(judged: Judged) -> tuple[list[LowBattery], list[LowBattery]]:
    """Return batteries to list as low, each in the cans of its sensor, and those that are not low any more."""
    low, good = list[LowBattery](), list[LowBattery]()
    for key, told in judged._told.items():
        heard_at = judged._was_low.get(key)
        if heard_at is None and not any(reading.battery and reading.battery.is_low for reading, _, _, _ in told):
            continue
        state = _state_after(judged, key, judged._stored_states[key].text)
        mountings = [each for each in judged._entries[key].mountings if each.until is None]
        found = [LowBattery(can_id, key) for can_id in sorted({each.can_id for each in mountings})]
        if not state.is_battery_low:
            good.extend(found)
        elif (
            heard_at is None
            or heard_at.date() < state.heard_at.date()
            or any(each.since > heard_at for each in mountings)
        ):
            # Else it is listed: only once a day it is written again, for a move that was entered later.
            low.extend(found)
    return low, good


def _judge_one(judged: Judged, delivery: Delivery, reading: Reading, entry: Registered | None) -> Report | None:
    """Return the report of a reading, or None, counted and noted."""
    if entry is None:
        _note_waiting(judged, delivery, reading)
        return None
    key = reading.frame.key or ""
    if sensor_state.is_known(_state_now(judged, key), reading):
        judged.repeated += 1
        return None
    verdict, reason, report = reading.verdict, reading.reason, None
    mounting = None if verdict is Verdict.IGNORE else mounting_of(reading, entry.mountings)
    if verdict is Verdict.STORE and mounting is None:
        verdict, reason = Verdict.HOLD, NOT_MOUNTED
        _note_waiting(judged, delivery, reading)
    elif verdict is Verdict.STORE:
        assert mounting
        found = to_report(reading, mounting, delivery.sent_at)
        if isinstance(found, Held):
            verdict, reason = Verdict.HOLD, found.reason
            if reason == NOT_CALIBRATED:
                _note_waiting(judged, delivery, reading)
        else:
            report = found
    if verdict is Verdict.HOLD and reason not in (NOT_MOUNTED, NOT_CALIBRATED):
        judged.held += 1
    elif verdict is Verdict.IGNORE:
        judged.ignored += 1
    if report is None and mounting and not reading.is_past:
        judged._held.append((mounting.can_id, told_at(reading.measured_at, mounting.events(reading)), delivery))
    judged._told[key].append((reading, str(verdict), reason, delivery))
    return report


def _note_waiting(judged: Judged, delivery: Delivery, reading: Reading) -> None:
    """List the sensor, and keep the message where a mounting would make a report of it."""
    key = reading.frame.key
    if reading.verdict is Verdict.IGNORE:
        judged.ignored += 1
    elif reading.verdict is Verdict.HOLD:
        judged.held += 1
    else:
        judged.waiting += 1
    if key is None:
        return
    seen = judged._sightings[key]
    before = state_of(seen[-1].told if seen else WAITING.told(key))
    told = sensor_state.folded(before, reading, str(reading.verdict), reading.reason, delivery.sent_at)
    message = None
    if reading.verdict is Verdict.STORE:
        message = KeptMessage(delivery.body, delivery.first_message_id, delivery.sent_at, delivery.origin.sender_id)
    if seen and (seen[-1].message == message or message is None):
        message = seen.pop().message
    seen.append(Sighting(key, message, sensor_state.to_text(told)))


def _as_registered(
    delivery: Delivery,
    elements: Sequence[formats.Element],
    entries: Mapping[str, Registered],
    check_can_id: Callable[[str], None] | None,
) -> Sequence[formats.Element]:
    """Return a message's elements, read again where a sensor is registered as another model than was found."""
    models = {
        key: entry.model
        for each in _readings(elements)
        if (key := each.frame.key) and (entry := entries.get(key)) and entry.model and entry.model != each.model
    }
    if not models:
        return elements
    return formats.parse(delivery.body, delivery.sent_at, registered=models, check_can_id=check_can_id)


def _checked(report: Report, check: Callable[[str], None] | None, delivery: Delivery) -> Report | InvalidReport:
    """Return the report, or why its sender may not report its can."""
    try:
        if check:
            check(report.can_id)
    except InvalidReport as error:
        error.text = delivery.body
        return error
    return report


def _changed(judged: Judged, key: str, text: str) -> str:
    return sensor_state.to_text(_state_after(judged, key, text))


def _state_after(judged: Judged, key: str, text: str) -> SensorState:
    """Return the state that follows, by what the batch told of a sensor, from one as text."""
    if text == judged._stored_states[key].text:
        state = _state_now(judged, key)
    else:
        state = _with_told(state_of(text), judged._told[key])
    assert state
    return state


def _state_now(judged: Judged, key: str) -> SensorState | None:
    """Return the state that was read, with all that the batch has told of the sensor so far; None where none is."""
    state = judged._states[key]
    if told := judged._told.get(key):
        state = judged._states[key] = _with_told(state, told[judged._folded.get(key, 0) :])
        judged._folded[key] = len(told)
    return state


def _with_told(state: SensorState | None, told: Sequence[_Told]) -> SensorState | None:
    for reading, verdict, reason, delivery in told:
        state = sensor_state.folded(state, reading, verdict, reason, delivery.sent_at)
    return state


def _readings(elements: Sequence[formats.Element]) -> Iterator[Reading]:
    return (each for each in elements if isinstance(each, Reading))
