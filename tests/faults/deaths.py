"""Workers and servers that die, stop, freeze and hang."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal

from reports import store
from stack.servers import free_port
from tests.faults import table_copies
from tests.faults.faults import Action, black_hole
from tests.faults.load import Mix
from tests.faults.pace import bound_s
from tests.faults.run import Run, Scenario
from tests.support import fault_proxy
from tests.support.scrape import scraped
from tests.support.servers import Worker, eventually
from trashsite.outcomes import OUTCOMES

KILLS, STOPS = 14, 8
#: SIGTERM ends a worker within this, and within this the web's health shows one that does nothing.
STOP_S, SEEN_S, RELEASED_S = bound_s(10.0), bound_s(30.0), bound_s(3.0)
WRITES = ("BatchWriteItem", "BatchExecuteStatement")
STUCK = "this worker should work and does not"


# -- death -----------------------------------------------------------------------------------------------


def restarts(how: signal.Signals, times: int) -> Action:
    """End the only worker in the middle of its work, and start another, again and again."""

    def action(run: Run) -> None:
        worker = run.start().ready()
        for turn in range(times):
            time.sleep(0.3 + 0.2 * (turn % 4))
            if how is signal.SIGKILL:
                run.pipeline.forget(worker)
                run.add("kills")
            else:
                _stop(run, worker)
            run.add("restarts")
            worker = run.start().ready()

    return action


def counted_restarts(run: Run) -> None:
    """
    End the only worker twenty times, every second time by kill -9, and hold Prometheus's counts against what was sent.

    What a worker has counted, and not deleted when it is killed, comes again and counts again.
    """
    port = free_port()
    environ = {"TRASH_METRICS_PORT": str(port), "TRASH_DATA": str(run.pipeline.directory / f"data-{run.load.key}")}
    worker = run.start(**environ).ready()
    for turn in range(20):
        time.sleep(0.3 + 0.2 * (turn % 4))
        if turn % 2:
            run.pipeline.forget(worker)
            run.add("kills")
        else:
            _stop(run, worker)
        run.add("restarts")
        worker = run.start(**environ).ready()
    # The load goes on for as long as its thread runs, so the counts are read where all is done.
    run.load.stop()
    run.pipeline.drain(run.scenario.drain_s)
    _expect_counted(run, scraped(port))


def _expect_counted(run: Run, found: Mapping[str, float]) -> None:
    """Expect that each report is counted, no more often than it came, and that what was received is the sum."""
    counts = {name: int(found.get(f'trashsite_reports_total{{outcome="{name}"}}', 0)) for name in OUTCOMES}
    received, older = (int(found.get(f"trashsite_reports_{name}_total", 0)) for name in ("received", "older"))
    sent, counted = run.load.sent, counts["stored"] + counts["repeated"]
    run.result.notes["counted twice"] = counted - sent
    run.expect(sum(counts.values()) == received, f"{received} reports were received, but counted are {counts}")
    run.expect(counted >= sent, f"{sent - counted} of {sent} reports were not counted: {counts}")
    # A kill leaves undeleted what came within a second, at the very most.
    most = sent + int(run.result.notes["kills"] * run.load.rate)
    run.expect(counted <= most, f"{counted} reports were counted, but {sent} were sent: {counts}")
    run.expect(counts["stored"] - older <= sent, f"{counts} of {sent}, of the stored {older} older")


def kill_children(run: Run) -> None:
    """Kill -9 one child of the pool after another; the pool replaces each."""
    worker = run.start().ready()
    for _ in range(10):
        time.sleep(0.7)
        found = eventually(lambda: _children(worker))
        os.kill(found[0], signal.SIGKILL)
        run.add("restarts")
        run.add("kills")
    eventually(lambda: len(_children(worker)) == 5)


def stop_in_a_batch(run: Run) -> None:
    """Send SIGTERM while batches wait for a slow store: what is in hand is there for others at once."""
    for _ in range(3):
        worker = run.start().ready()
        met = run.pipeline.dynamodb.spoilt.total()
        run.pipeline.dynamodb.inject(fault_proxy.slow(1.5), *WRITES)
        eventually(lambda met=met: run.pipeline.dynamodb.spoilt.total() > met)  # type: ignore[misc]
        _stop(run, worker)
        run.pipeline.dynamodb.heal()
        _expect_released(run)
        run.add("restarts")
    run.start().ready()


def stop_in_a_long_poll(run: Run) -> None:
    """Send SIGTERM while the queue is empty and asked: what comes meanwhile is not answered to nobody."""
    for _ in range(3):
        worker = run.start().ready()
        run.load.pause()
        eventually(lambda: run.pipeline.depth() == 0, 30)
        time.sleep(1.0)
        later = threading.Timer(0.5, run.load.send, [20])
        later.start()
        _stop(run, worker)
        later.join()
        _expect_released(run)
        run.add("restarts")
        run.load.resume()
    run.start().ready()


def stop_while_sqs_hangs(run: Run) -> None:
    """Send SIGTERM while SQS answers nothing: it ends in time all the same, and the next worker gets what it held."""
    for _ in range(2):
        worker = run.start().ready()
        time.sleep(1.0)
        run.pipeline.sqs.inject(black_hole)
        time.sleep(2.0)
        _stop(run, worker)
        run.pipeline.sqs.heal()
        run.add("restarts")
    run.start().ready()


def freeze(run: Run) -> None:
    """Stop the process as it is, longer than a message stays invisible: health turns red, and green when it goes on."""
    worker = run.start().ready()
    eventually(lambda: not run.pipeline.health(), 30)
    os.killpg(worker.process.pid, signal.SIGSTOP)
    began = time.monotonic()
    _expect_seen(run, began, "silent")
    time.sleep(max(0.0, 35 - (time.monotonic() - began)))
    os.killpg(worker.process.pid, signal.SIGCONT)
    eventually(lambda: not run.pipeline.health(), 15)


def hang(what: Literal["receive", "task"], seconds: float) -> Action:
    """Let each receive, or each task, hang as in a library that never returns; then let it go on."""

    def action(run: Run) -> None:
        worker = run.preloaded().ready()
        eventually(lambda: not run.pipeline.health(), 30)
        began = time.monotonic()
        run.tell_preload(what, "")
        _expect_seen(run, began, "has answered no receive" if what == "receive" else "has been in a task")
        time.sleep(max(0.0, seconds - (time.monotonic() - began)))
        run.tell_preload(what, None)
        log = run.log(worker)
        run.expect(log.count(STUCK) == 1, f"a hang was told {log.count(STUCK)} times")
        run.expect(log.count("Current thread 0x") == 1, "the stacks were not dumped once")
        # A task of prefork hangs in a process of its own.
        here = what == "receive" or run.pool != "prefork"
        run.expect(not here or "in hangs_while_told_to" in log, "the stacks do not show where it hangs")
        eventually(lambda: not run.pipeline.health(), 15)

    return action


def _stop(run: Run, worker: Worker) -> None:
    began = time.monotonic()
    status = worker.stop(timeout_s=60)
    took = time.monotonic() - began
    run.result.notes["SIGTERM s"] = max(round(took, 1), run.result.notes.get("SIGTERM s", 0.0))
    run.expect(took <= STOP_S, f"SIGTERM took {took:.1f} s, not {STOP_S:g} s")
    run.expect(status == 0, f"it ended with status {status}")
    run.pipeline.forget(worker)


def _expect_released(run: Run) -> None:
    began = time.monotonic()
    eventually(lambda: run.pipeline.in_flight() == 0, 40)
    took = time.monotonic() - began
    run.expect(took <= RELEASED_S, f"what a stopped worker held was hidden for {took:.1f} s")


def _expect_seen(run: Run, began: float, word: str) -> None:
    """Expect that the web's health says so within 30 s."""
    eventually(lambda: any(word in problem for problem in run.pipeline.health()), 45, pause_s=0.2)
    took = time.monotonic() - began
    run.result.notes["seen after s"] = round(took, 1)
    run.expect(took <= SEEN_S, f"health turned red after {took:.1f} s, not {SEEN_S:g} s")


def _children(worker: Worker) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(worker.process.pid)], capture_output=True, text=True, check=False)
    return [int(pid) for pid in found.stdout.split()]


# -- the servers -----------------------------------------------------------------------------------------


def kill_server(name: Literal["sqs", "dynamodb"]) -> Action:
    """Kill -9 the stand-in itself, twice: it comes back with all that it has acknowledged."""

    def action(run: Run) -> None:
        for _ in range(2):
            run.pipeline.kill(name)
            time.sleep(2.0)
            run.pipeline.revive(name)
            time.sleep(2.0)
        run.outage_s = 8

    return action


def lose_tables(run: Run) -> None:
    """Delete both tables under the worker, and bring them back as they were, as from a backup."""
    dynamodb = run.pipeline.dynamodb
    # What is on its way comes to its end, so that the copy is the last state.
    dynamodb.refuse()
    time.sleep(2.5)
    results_ = table_copies.read(run.pipeline.suffix, run.load.key)
    table_copies.delete(run.pipeline.suffix)
    met = dynamodb.seen.total()
    dynamodb.heal()
    time.sleep(5)
    run.expect(dynamodb.seen.total() > met, "nothing was written to a table that is not there")
    dynamodb.refuse()
    list(store.provision())
    table_copies.write(results_)
    dynamodb.heal()
    run.outage_s = 10


# -- as data ---------------------------------------------------------------------------------------------


def deaths() -> list[Scenario]:
    """Ends of every kind, and what comes near to one."""
    slow = Mix(rate=60)
    lost = (r"Worker exited prematurely", r"WorkerLostError", r"exited with 'signal 9")

    def starting(name: str, action: Callable[[Run], None], seconds: float, **fields: object) -> Scenario:
        return Scenario(  # type: ignore[arg-type]
            f"death: {name}", action, **{"mix": slow, "starts": True, "seconds": seconds, "outages": 4, **fields}
        )

    return [
        starting("kill -9", restarts(signal.SIGKILL, KILLS), 80),
        starting("SIGTERM", restarts(signal.SIGTERM, STOPS), 90),
        starting("counts", counted_restarts, 110),
        starting("kill -9 of pool children", kill_children, 60, explained=lost, pools=("prefork",)),
        starting("SIGTERM in a batch", stop_in_a_batch, 40),
        starting("SIGTERM in a long poll", stop_in_a_long_poll, 45),
        starting("SIGTERM while SQS hangs", stop_while_sqs_hangs, 60),
        starting("frozen for 35 s", freeze, 80, explained=(STUCK,)),
        starting("a receive hangs", hang("receive", 35), 60, explained=(STUCK,)),
        starting(
            "a task outlives its visibility",
            hang("task", 40),
            60,
            explained=(STUCK,),
            most_executions=1.0,
            mix=replace(slow, arrays=0),
        ),
    ]


def servers() -> list[Scenario]:
    """Ends of what the worker needs."""
    return [
        Scenario("server: SQS killed", kill_server("sqs"), seconds=45, outages=4),
        Scenario("server: DynamoDB killed", kill_server("dynamodb"), seconds=20, outages=4),
        Scenario("server: tables deleted and restored", lose_tables, seconds=25, outages=4),
    ]
