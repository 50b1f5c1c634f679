"""Reports out of order and again; poison, and floods of it; clocks that are wrong."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.faults import bodies
from tests.faults.faults import black_hole, outage
from tests.faults.load import Mix
from tests.faults.pace import bound_s
from tests.faults.run import Run, Scenario
from tests.support import fault_proxy
from tests.support.servers import eventually

#: Ten prefetch windows: slots times messages a batch.
WINDOWS = 10 * 4 * 50
#: The last batches are in hand: nothing else is in front of a good report any more.
IN_HAND = 250
#: The default of the limit on dead letters: in 60 s, during a flood of invalid reports.
LIMIT = 1000


def two_workers(run: Run) -> None:
    """Let two workers share the queue, and every can."""
    run.start("-n", "one@%h").ready()
    run.start("-n", "two@%h").ready()
    time.sleep(6.0)


def doubled(asked: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer of ReceiveMessage that holds the same messages twice."""
    return {"Messages": answer["Messages"] * 2} if answer.get("Messages") else answer


def poison(run: Run) -> None:
    """Send every body that was ever thought of, then ten prefetch windows of them, then a good report."""
    run.start(TRASH_BRAKE_SET_ASIDE="0").ready()
    bodies.MARKER.unlink(missing_ok=True)
    load = run.load
    for body, field in bodies.poison():
        load.send_poison(body)
        load.fields[body] = field
    run.result.notes["bodies"] = len(load.fields)
    for body, good, bad in bodies.mixed(load.key):
        load.send_mixed(body, good, bad)
    flood = [f'{{"can_id":"p{number}","level":"{number} full"}}' for number in range(WINDOWS)]
    load.send_messages([(body, (body,)) for body in flood])
    eventually(lambda: run.pipeline.depth() < IN_HAND, bound_s(120))
    began = time.monotonic()
    can_id = load.canary()
    eventually(lambda: run.pipeline.is_readable(can_id), 30)
    took = time.monotonic() - began
    limit_s = bound_s(5.0)
    run.expect(took <= limit_s, f"a good report was readable after {took:.1f} s of poison, not {limit_s:g} s")
    run.expect(not bodies.MARKER.exists(), "a pickle was loaded")


def limited_dead_letters(run: Run) -> None:
    """Send only poison: dead letters are limited, as the log says; a worker without the limit then drains it."""
    run.load.pause()
    worker = run.start().ready()
    flood = [f'{{"can_id":"b{number}","fill":"{number}"}}' for number in range(3 * LIMIT)]
    run.load.send_messages([(body, (body,)) for body in flood])
    eventually(
        lambda: "ERROR reports.worker.dead_letter_limit: dead letters are limited" in run.log(worker), bound_s(60)
    )
    time.sleep(10.0)
    dead = run.pipeline.dead()
    # A process of prefork has its share of the limit, and passes it by a batch at most.
    run.expect(LIMIT - 200 <= dead <= 1.5 * LIMIT, f"{dead} were set aside under the limit, not about {LIMIT}")
    run.expect(run.pipeline.depth() > LIMIT, "the limit left nothing in the queue")
    run.expect(worker.stop() == 0, "a limited worker does not stop in order")
    run.pipeline.forget(worker)
    run.load.resume()
    run.start(TRASH_BRAKE_SET_ASIDE="0").ready()


def crash_before_the_delete(run: Run) -> None:
    """Kill -9 a worker that has set reports aside and not yet deleted: each is counted once."""
    worker = run.start().ready()
    sent = run.pipeline.sqs.seen["SendMessageBatch"]
    run.pipeline.sqs.inject(black_hole, "DeleteMessageBatch")
    eventually(lambda: run.pipeline.sqs.seen["SendMessageBatch"] > sent + 2)
    eventually(lambda: run.pipeline.dead() > 0)
    run.pipeline.forget(worker)
    run.pipeline.sqs.heal()
    run.add("restarts")
    run.add("kills")
    run.start().ready()
    run.copied = True


def clocks(run: Run) -> None:
    """Send from a device an hour ahead and one that lives in 1970; let the worker's own clock jump by days."""
    run.preloaded().ready()
    ahead = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    run.load.send_poison(json.dumps({"can_id": f"{run.load.key}-ahead", "level": "1", "measured_at": ahead}))
    unset = json.dumps({"can_id": f"{run.load.key}-unset", "level": "1", "measured_at": "1970-01-01T00:00:00Z"})
    run.load.fields[unset] = "measured_at"
    run.load.send_poison(unset)
    for level, at in (("3", "2023-11-14T22:13:20Z"), ("2", "2000-01-01T00:00:00Z")):
        run.load.send_body(json.dumps({"can_id": f"{run.load.key}-old", "level": level, "measured_at": at}))
    for days in (2, -3, 400, -400):
        run.tell_preload("clock", str(days * 86400))
        time.sleep(2.0)
    run.tell_preload("clock", None)
    time.sleep(1.0)


def orders() -> list[Scenario]:
    """Repetition, disorder, poison, clocks."""
    return [
        Scenario(
            "order: again, late and shuffled, two workers", two_workers, starts=True, seconds=25,
            mix=Mix(copies=(1, 3), old=0.4, shuffled=300),
        ),
        Scenario("order: a message twice in one answer", outage("sqs", fault_proxy.edit(doubled), "ReceiveMessage")),
        Scenario("poison: every body, and ten windows", poison, starts=True, seconds=60, mix=Mix(rate=20)),
        Scenario(
            # A tenth of the flood would be enough good reports to stay under the limit.
            "poison: dead letters limited", limited_dead_letters, mix=Mix(rate=20), starts=True, seconds=60,
            explained=("dead letters are limited",),
        ),
        Scenario(
            "poison: a crash before the delete", crash_before_the_delete, starts=True, seconds=50,
            mix=Mix(rate=60, poison=0.1), outages=4,
        ),
        Scenario("clocks: ahead, 1970, and the worker's own jumps", clocks, starts=True, seconds=25),
    ]  # fmt: skip
