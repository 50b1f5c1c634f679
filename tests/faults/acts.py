"""What scenarios do: each function returns an act, which breaks something and leaves it whole."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from tests.faults.scene import Scene
from tests.support import partial_answers
from tests.support.fault_proxy import Call, Cut, Fault, Reply
from tests.support.servers import eventually

Act = Callable[[Scene], None]
#: Longer than any client waits.
_LONG_S = 60.0
#: What a worker under load calls all the time.
ALWAYS = frozenset({"DeleteMessageBatch", "SendMessageBatch", "BatchWriteItem", "BatchExecuteStatement"})


def trickle(call: Call) -> Reply:
    """A byte of the answer comes every half a second, and never the last one."""
    raise Cut(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b" " * 100, by_reset=True, a_byte_each_s=0.5)


def black_hole(call: Call) -> Reply:
    """Nothing answers, nothing closes, and for this connection it stays so when the fault is over."""
    threading.Event().wait(_LONG_S)
    raise Cut(by_reset=True)


def outage(server: str, fault: Fault | None, *operations: str, seconds: float = 4.0) -> Act:
    """Break these operations for a while; None refuses all connections."""

    def act(scene: Scene) -> None:
        proxy = scene.pipeline.proxy(server)
        before = proxy.spoilt.total()
        if fault is None:
            proxy.refuse()
        else:
            proxy.inject(fault, *operations)
        time.sleep(seconds)
        scene.outage_s = seconds
        met = proxy.spoilt.total() - before
        proxy.heal()
        scene.broken += [(server, operation) for operation in operations if operation in ALWAYS]
        scene.expect(fault is None or met, f"no {' or '.join(operations)} met the fault")
        scene.row.notes["met"] = met

    return act


def once(server: str, fault: Fault, *operations: str, times: int = 1, within_s: float = 20.0) -> Act:
    """Break the next few calls only, and wait until they were made."""

    def act(scene: Scene) -> None:
        spoilt = scene.pipeline.proxy(server).spoilt
        before = sum(spoilt[operation] for operation in operations)
        scene.pipeline.proxy(server).inject(fault, *operations, times=times)
        deadline = time.monotonic() + within_s
        while (met := sum(spoilt[operation] for operation in operations) - before) < times:
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        scene.expect(met >= times, f"{' or '.join(operations)} met {met} of {times} faults")

    return act


def while_store_is_down(act: Act, *, lead_s: float = 13.0) -> Act:
    """Let DynamoDB refuse everything, so that messages are held until their visibility is extended; act then."""

    def both(scene: Scene) -> None:
        scene.pipeline.dynamodb.refuse()
        time.sleep(lead_s)
        act(scene)
        scene.pipeline.dynamodb.heal()
        scene.outage_s += lead_s

    return both


def hot_can(seconds: float) -> Act:
    """Let DynamoDB throttle all that one busy can sends: meanwhile the reports of others get through within 5 s."""

    def act(scene: Scene) -> None:
        can_id = f"{scene.load.key}-hot"
        scene.pipeline.dynamodb.inject(partial_answers.hot(can_id), "BatchWriteItem", "BatchExecuteStatement")
        end = time.monotonic() + seconds
        while (began := time.monotonic()) < end:
            at = datetime.now(UTC)
            for number in range(40):
                measured_at = (at + timedelta(milliseconds=number)).isoformat()
                scene.load.send_body(f'{{"can_id":"{can_id}","level":"{number}","measured_at":"{measured_at}"}}')
            other = scene.load.canary()
            eventually(lambda other=other: scene.pipeline.is_readable(other), 30)  # type: ignore[misc]
            took = time.monotonic() - began
            scene.expect(took <= 5, f"beside a hot can a report was readable after {took:.1f} s, not 5 s")
        scene.pipeline.dynamodb.heal()

    return act


def bursts(server: str, fault: Fault, *operations: str, times: int = 4, seconds: float = 0.7) -> Act:
    """Break these operations again and again, with pauses as long between."""

    def act(scene: Scene) -> None:
        for _ in range(times):
            outage(server, fault, *operations, seconds=seconds)(scene)
            time.sleep(seconds)
        scene.outage_s = 2 * times * seconds

    return act
