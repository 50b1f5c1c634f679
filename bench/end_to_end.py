"""
Compare the pipeline with the rules: a file of levels through queue, worker and store, beside the pure functions on it.

    make replay FILE=levels.csv.gz ARGS="--rows 20000"

FILE: columns can_id, stream, measured_at (ISO 8601), level; plain or .gz. Starts servers and a worker of its own and
compares row by row: each report in the history, each emptying that was decided on with the state that was kept beside
it, and of each can the last state, emptying, status and forecast. Prints a table, and the first differences; exits with
1 where there is one.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tqdm import tqdm

from reports.insight.cycles import Emptied, Reading, Stage
from reports.insight.state import CanState, Rules, advance, forecast_of, rules_for
from reports.insight.verdict import verdict
from reports.management.levels_csv import InvalidFile, Past, read_levels
from stack.servers import StackError
from tests.support.servers import Worker, aws_stand_ins

#: Reports of a can in one message: a device that sends once a day.
IN_MESSAGE = 12
#: Messages that wait at once: more would only fill the queue's memory.
BACKLOG = 2_000
#: Without any progress for so long, it has failed.
STALLED_S = 180.0
#: A can catches up once a minute: so long after it, a repeat of its newest report brings that up.
CAUGHT_UP_AFTER_S = 61.0
#: Differences that are printed.
SHOWN = 10


@dataclass(slots=True)
class Compared:
    """One kind of rows: how many are the same, and in which they differ: what the rules say, and what is stored."""

    same: int = 0
    differences: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, where: str, wanted: Mapping[Any, Any], found: Mapping[Any, Any]) -> None:
        """Compare the rows of one can, by their keys."""
        for key in sorted({*wanted, *found}, key=str):
            one, other = wanted.get(key, "nothing"), found.get(key, "nothing")
            if one == other:
                self.same += 1
            else:
                self.differences.append((f"{where} {key}", str(one), str(other)))


@dataclass(frozen=True, slots=True)
class Told:
    """What the rules say of one can: its state, and by their instant the emptyings decided on, with the state then."""

    rules: Rules
    state: CanState
    decided: Mapping[int, tuple[Emptied, CanState]]


def told(past: Past, readings: Sequence[Reading]) -> Told:
    """Return what the pure functions say of a can's readings, in their order."""
    rules, state, decided = rules_for(past.stream), None, dict[int, tuple[Emptied, CanState]]()
    for reading in sorted(readings):
        state, event = advance(state, reading, rules)
        if event is not None and event.stage is not Stage.PROVISIONAL:
            decided[event.at] = event, state
    assert state
    return Told(rules, state, decided)


def messages(cans: Mapping[str, tuple[Past, Sequence[Reading]]]) -> Iterator[tuple[int, str]]:
    """Yield messages in the order in which devices would send them, each with its number of reports."""
    parts = [
        (part[-1][0], can_id, past.stream, part)
        for can_id, (past, readings) in cans.items()
        for at in range(0, len(readings), IN_MESSAGE)
        for part in [readings[at : at + IN_MESSAGE]]
    ]
    for _, can_id, stream, part in sorted(parts, key=lambda each: each[:2]):
        yield len(part), json.dumps([_report(can_id, stream, reading) for reading in part])


def _report(can_id: str, stream: str, reading: Reading) -> dict[str, str]:
    at, level = reading
    measured_at = datetime.fromtimestamp(at, UTC).isoformat()
    return {"can_id": can_id, "level": f"{level:g}", "measured_at": measured_at, "stream": stream}


def main() -> int:
    """Replay the file, compare, and print the table; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0].strip())
    parser.add_argument("file", type=Path, help="CSV, plain or .gz: can_id, stream, measured_at, level")
    parser.add_argument("--rows", type=int, help="the first so many rows of each can alone")
    options = parser.parse_args()
    try:
        found = {can_id: (past, sorted(past.readings)) for can_id, past in read_levels(options.file).items()}
    except (InvalidFile, OSError) as error:
        sys.exit(f"{error}. Name a CSV file of levels.")
    # The same reading twice is one report.
    cans = {can_id: (past, sorted(set(readings[: options.rows]))) for can_id, (past, readings) in found.items()}
    os.environ |= {"TRASH_LOCAL": "1", "TRASH_SUFFIX": secrets.token_hex(4)}
    with tempfile.TemporaryDirectory(prefix="replay-") as scratch, ExitStack() as stack:
        try:
            os.environ |= stack.enter_context(aws_stand_ins(Path(scratch), "embedded"))
        except StackError as error:
            sys.exit(str(error))
        compared = _replayed(cans, Path(scratch) / "worker.log")
    return _printed(compared)


def _replayed(cans: Mapping[str, tuple[Past, Sequence[Reading]]], log: Path) -> Mapping[str, Compared]:
    """Send all, wait until all is stored and caught up, and compare."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trashsite.settings")
    import django

    django.setup()
    from reports import queue, store

    list(queue.provision())
    list(store.provision())
    began_s = time.monotonic()
    worker = Worker(log).ready()
    try:
        total = sum(len(readings) for _, readings in cans.values())
        with tqdm(total=total, unit=" reports", disable=not sys.stderr.isatty()) as bar:
            waiting: list[str] = []
            for count, body in messages(cans):
                waiting.append(body)
                bar.update(count)
                if len(waiting) == 100:
                    queue.publish(waiting)
                    waiting = []
                    _until(lambda: queue.depth().waiting < BACKLOG, worker)
            queue.publish(waiting)
        _until(lambda: queue.depth() == queue.Depth(0, 0, 0), worker)
        print(f"{total:,} reports stored in {time.monotonic() - began_s:.0f} s", file=sys.stderr)
        _catch_up(cans, worker)
    finally:
        worker.stop()
    if "ERROR" in worker.log:
        sys.exit(f"the worker logged an error:\n{worker.log[-2000:]}")
    return _compared(cans)


def _catch_up(cans: Mapping[str, tuple[Past, Sequence[Reading]]], worker: Worker) -> None:
    """Repeat the newest report of each can whose row waits to catch up, as any next report of it would bring it up."""
    from reports import queue, store
    from reports.store.rows import CATCH_UPS

    def late() -> list[str]:
        return [can_id for can_id, row in store.latest_rows(cans).items() if row.late]

    for _ in range(len(cans)):
        if not (left := late()):
            return
        print(f"{len(left)} cans wait for a minute to catch up", file=sys.stderr)
        time.sleep(CAUGHT_UP_AFTER_S)
        newest = {can_id: _report(can_id, past.stream, readings[-1]) for can_id, (past, readings) in cans.items()}
        # A batch catches up some cans alone.
        for at in range(0, len(left), CATCH_UPS):
            queue.publish([json.dumps(newest[can_id]) for can_id in left[at : at + CATCH_UPS]])
            _until(lambda: queue.depth() == queue.Depth(0, 0, 0), worker)


def _until(check: Callable[[], bool], worker: Worker) -> None:
    """Wait for something that the worker brings about, as long as it gets on. Exits where it does not."""
    said, since_s = worker.log, time.monotonic()
    while not check():
        if worker.log != said:
            said, since_s = worker.log, time.monotonic()
        if worker.process.poll() is not None or time.monotonic() - since_s > STALLED_S:
            sys.exit(f"the worker does not get on:\n{worker.log[-2000:]}")
        time.sleep(0.2)


def _compared(cans: Mapping[str, tuple[Past, Sequence[Reading]]]) -> Mapping[str, Compared]:
    """Compare what is stored of each can with what the rules say."""
    from reports import store
    from reports.insight.fold import reading_in
    from reports.insight.standing import standing

    names = ("reports", "emptyings", "states at emptyings", "last states", "last emptyings", "statuses", "forecasts")
    compared, now = {name: Compared() for name in names}, datetime.now(UTC)
    rows = store.latest_rows(cans)
    for can_id, (past, readings) in tqdm(cans.items(), unit=" cans", disable=not sys.stderr.isatty()):
        wanted = told(past, readings)
        found = [
            reading_in(each.measured_at, each.level)
            for page in store.stored_reports(can_id, datetime.min.replace(tzinfo=UTC), now)
            for each in page
            if each.measured_at
        ]
        compared["reports"].add(can_id, {each: each for each in readings}, {each: each for each in found})
        decided = {event.at: (event, state) for event, state in store.kept_emptyings(can_id, wanted.rules)}
        events, kept = ({at: each[place] for at, each in decided.items()} for place in (0, 1))
        # A decision that a later report took back stays as one that was taken back, without a state.
        compared["emptyings"].add(
            can_id,
            {at: event for at, (event, _) in wanted.decided.items()},
            {at: event for at, event in events.items() if at in wanted.decided or event.stage is Stage.CONFIRMED},
        )
        confirmed = {at for at, (event, _) in wanted.decided.items() if event.stage is Stage.CONFIRMED}
        compared["states at emptyings"].add(
            can_id, {at: wanted.decided[at][1] for at in confirmed}, {at: kept.get(at) for at in confirmed}
        )
        row = rows[can_id]
        assert row.state
        stands = standing(row, now)
        last = verdict(wanted.state, now.timestamp(), wanted.rules)
        compared["last states"].add(can_id, {"": wanted.state}, {"": row.state})
        compared["last emptyings"].add(can_id, {"": wanted.state.last_emptied(wanted.rules)}, {"": stands.emptied})
        compared["statuses"].add(can_id, {"": (last.status, last.reason)}, {"": (stands.status, stands.reason)})
        # One at each emptying, and the last.
        compared["forecasts"].add(
            can_id,
            {at: forecast_of(state, wanted.rules) for at, state in [(0, wanted.state), *_states(wanted)]},
            {0: forecast_of(row.state, row.rules)}
            | {at: forecast_of(state, row.rules) for at in confirmed if (state := kept.get(at))},
        )
    return compared


def _states(wanted: Told) -> Iterator[tuple[int, CanState]]:
    return ((at, state) for at, (event, state) in wanted.decided.items() if event.stage is Stage.CONFIRMED)


def _printed(compared: Mapping[str, Compared]) -> int:
    print(f"{'':<22}{'the same':>10}{'different':>12}")
    for name, each in compared.items():
        print(f"{name:<22}{each.same:>10,}{len(each.differences):>12,}")
    differences = [(name, *each) for name, found in compared.items() for each in found.differences]
    for name, where, wanted, found in differences[:SHOWN]:
        print(f"\n{name}, {where}\n  rules:  {wanted}\n  stored: {found}")
    if len(differences) > SHOWN:
        print(f"\nand {len(differences) - SHOWN:,} more")
    return int(bool(differences))


if __name__ == "__main__":
    sys.exit(main())
