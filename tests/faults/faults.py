"""Faults over time: each function returns an action, which breaks something and repairs it again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from tests.faults.pace import bound_s
from tests.faults.run import Run
from tests.support import partial_answers
from tests.support.fault_proxy import Call, Cut, Fault, Reply
from tests.support.servers import eventually

Action = Callable[[Run], None]
#: Longer than any client waits.
_LONG_S = 60.0
#: A fault that no request has met by then goes on for so long at most, until one does.
MEETS_WITHIN_S = 10.0
#: What a worker under load calls all the time.
ALWAYS = frozenset({"DeleteMessageBatch", "SendMessageBatch", "BatchWriteItem", "BatchExecuteStatement"})


def trickle(call: Call) -> Reply:
    """A byte of the answer comes every half a second, and never the last one."""
    raise Cut(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b" " * 100, by_reset=True, a_byte_each_s=0.5)


def black_hole(call: Call) -> Reply:
    """Nothing answers, nothing closes, and for this connection it stays so when the fault is over."""
    threading.Event().wait(_LONG_S)
    raise Cut(by_reset=True)


def outage(server: str, fault: Fault | None, *operations: str, seconds: float = 4.0) -> Action:
    """Break these operations for a while; None refuses all connections."""

    def action(run: Run) -> None:
        proxy = run.pipeline.proxy(server)
        before = proxy.spoilt.total()
        if fault is None:
            proxy.refuse()
        else:
            proxy.inject(fault, *operations)
        began = time.monotonic()
        time.sleep(seconds)
        if fault is not None:
            # On a busy machine such a request may not come for some seconds.
            with suppress(AssertionError):
                eventually(lambda: proxy.spoilt.total() > before, bound_s(MEETS_WITHIN_S))
        run.outage_s = time.monotonic() - began
        met = proxy.spoilt.total() - before
        proxy.heal()
        run.broken += [(server, operation) for operation in operations if operation in ALWAYS]
        run.expect(fault is None or met, f"no {' or '.join(operations)} met the fault")
        run.result.notes["met"] = met

    return action


def once(server: str, fault: Fault, *operations: str, times: int = 1, within_s: float = bound_s(20.0)) -> Action:
    """Break the next few calls only, and wait until they were made."""

    def action(run: Run) -> None:
        spoilt = run.pipeline.proxy(server).spoilt
        before = sum(spoilt[operation] for operation in operations)
        run.pipeline.proxy(server).inject(fault, *operations, times=times)
        deadline = time.monotonic() + within_s
        while (met := sum(spoilt[operation] for operation in operations) - before) < times:
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        run.expect(met >= times, f"{' or '.join(operations)} met {met} of {times} faults")

    return action


def while_store_is_down(action: Action, *, lead_s: float = 13.0) -> Action:
    """Run the action while DynamoDB refuses everything and messages are held until their visibility is extended."""

    def both(run: Run) -> None:
        run.pipeline.dynamodb.refuse()
        time.sleep(lead_s)
        action(run)
        run.pipeline.dynamodb.heal()
        run.outage_s += lead_s

    return both


def hot_can(seconds: float) -> Action:
    """Let DynamoDB throttle all that one busy can sends: meanwhile the reports of others get through within 5 s."""

    def action(run: Run) -> None:
        can_id, limit_s = f"{run.load.key}-hot", bound_s(5.0)
        run.pipeline.dynamodb.inject(partial_answers.hot(can_id), "BatchWriteItem", "BatchExecuteStatement")
        end = time.monotonic() + seconds
        while (began := time.monotonic()) < end:
            at = datetime.now(UTC)
            for number in range(40):
                measured_at = (at + timedelta(milliseconds=number)).isoformat()
                run.load.send_body(f'{{"can_id":"{can_id}","level":"{number}","measured_at":"{measured_at}"}}')
            other = run.load.canary()
            eventually(lambda other=other: run.pipeline.is_readable(other), 30)  # type: ignore[misc]
            took = time.monotonic() - began
            run.expect(took <= limit_s, f"beside a hot can a report was readable after {took:.1f} s, not {limit_s:g} s")
        run.pipeline.dynamodb.heal()

    return action


def bursts(server: str, fault: Fault, *operations: str, times: int = 4, seconds: float = 0.7) -> Action:
    """Break these operations again and again, with pauses as long between."""

    def action(run: Run) -> None:
        for _ in range(times):
            outage(server, fault, *operations, seconds=seconds)(run)
            time.sleep(seconds)
        run.outage_s = 2 * times * seconds

    return action
