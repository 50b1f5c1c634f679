"""One run of a scenario on one pipeline: the load, the fault, and the verdict of the ledger and the logs."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from tests.faults.load import Load, Mix
from tests.faults.pace import bound_s
from tests.faults.pipeline import BATCH, Pipeline
from tests.support.ledger import stored
from tests.support.servers import ROOT, Site, Worker, eventually

#: Every receiver is back so soon after a fault's end.
RECOVERY_S = 5.0
#: The load runs so long before the fault, and again after it.
WARM_S, COOL_S = 1.0, 0.5
#: What a worker had in hand when it died is invisible for 30 s; a message received before comes back up to 8 s later.
DRAIN_S = 75.0
USUAL = Mix()
_OUTAGE = re.compile(r"^WARNING .*?: (.+?) fails|^INFO .*?: (.+?) works again")


@dataclass(frozen=True, slots=True)
class Scenario:
    """
    A fault as data.

    action: breaks something, and returns when it is whole again. starts: the worker is the action's own affair.
    recovery_s: how soon afterwards a report must get through. explained: patterns of the ERROR lines that belong
    to the fault. outages: how often each thing that fails may be said to begin and to end.
    seconds: about how long it planned. pools: those with which it is executed. most_executions: how often a report may
    be worked on, on average; not with arrays, of which a slow store may take a part before they go back to the queue.
    not_here: what it needs and this machine lacks. not_on_java: why ElasticMQ or DynamoDB Local cannot pass it for a
    reason of their own.
    """

    name: str
    action: Callable[[Run], None]
    mix: Mix = USUAL
    starts: bool = False
    recovery_s: float = RECOVERY_S
    explained: tuple[str, ...] = ()
    outages: int = 1
    seconds: float = 10.0
    pools: tuple[str, ...] = ("threads", "prefork", "solo")
    drain_s: float = DRAIN_S
    most_executions: float = math.inf
    not_here: str = ""
    not_on_java: str = ""


@dataclass(slots=True)
class Result:
    """What became of one scenario. problems: why it failed, nothing where it passed."""

    fault: str
    pool: str
    sent: int = 0
    stored: int = 0
    outdated: int = 0
    set_aside: int = 0
    twice: int = 0
    lost: int = 0
    executions: float = 0.0
    recovered_s: float | None = None
    lines: int = 0
    took_s: float = 0.0
    notes: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def fields(self) -> dict[str, Any]:
        """Return it as JSON can carry it."""
        return asdict(self)


class Run:
    """What an action can use: the pipeline, the load, and a way to note what it finds."""

    def __init__(self, scenario: Scenario, pipeline: Pipeline, pool: str, key: str) -> None:
        self.scenario = scenario
        self.pipeline = pipeline
        self.pool = pool
        self.load = Load(pipeline.queue, pipeline.url, key, scenario.mix)
        self.result = Result(scenario.name, pool)
        self.outage_s = 0.0
        #: The server and the operation of each fault that must pass again.
        self.broken: list[tuple[str, str]] = [("sqs", "ReceiveMessage")]
        #: Whether reports were set aside a second time, to be counted once.
        self.copied = False
        self._preload = pipeline.directory / f"preload-{key}"
        self._marks = {worker.log_path: worker.log_path.stat().st_size for worker in pipeline.workers}
        self._workers: list[Worker] = list(pipeline.workers)

    def start(self, *arguments: str, modules: Sequence[str] = (), **environ: str) -> Worker:
        """Start a worker with the scenario's pool; its log is judged with the others'."""
        worker = self.pipeline.start("-P", self.pool, *arguments, modules=modules, **environ)
        self._workers.append(worker)
        return worker

    def site(self) -> Site:
        """Start a web server that limits no rate, with a database of its own; its files are beside its log."""
        data = self.pipeline.directory / f"site-{self.load.key}"
        data.mkdir()
        environ = {
            "TRASH_DATA": str(data),
            **dict.fromkeys(("TRASH_READ_RATE", "TRASH_POST_RATE", "TRASH_LOGIN_RATE", "TRASH_UPLINK_RATE"), ""),
        }
        prepare = [sys.executable, "-m", "stack.prepare"]
        subprocess.run(prepare, cwd=ROOT, env=os.environ | environ, check=True, capture_output=True)
        return Site(data / "log", **environ)

    def preloaded(self, *modules: str) -> Worker:
        """Start a worker that hangs, or whose clock is wrong, as `tell_preload` says."""
        self._preload.mkdir()
        return self.start(modules=["tests.faults.preload", *modules], PRELOAD_DIR=str(self._preload))

    def tell_preload(self, name: str, text: str | None) -> None:
        """Write a file that tests.faults.preload looks for, or remove it."""
        if text is None:
            (self._preload / name).unlink()
        else:
            (self._preload / f"{name}.new").write_text(text)
            (self._preload / f"{name}.new").replace(self._preload / name)

    def add(self, what: str) -> None:
        """Count one more of these."""
        self.result.notes[what] = self.result.notes.get(what, 0) + 1

    def expect(self, truth: object, problem: str) -> None:
        """Note a problem unless `truth` is true."""
        if not truth:
            self.result.problems.append(problem)

    def lines(self) -> list[str]:
        """Return what the workers logged since the run began."""
        return [line for worker in self._workers for line in self.log(worker).splitlines()]

    def log(self, worker: Worker) -> str:
        """Return what one worker logged since the run began."""
        with worker.log_path.open("rb") as log:
            log.seek(self._marks.get(worker.log_path, 0))
            return log.read().decode(errors="replace")


def execute(scenario: Scenario, pipeline: Pipeline, pool: str, key: str) -> Result:
    """Play a scenario, and judge it once the queue has run empty."""
    run = Run(scenario, pipeline, pool, key)
    result, load = run.result, run.load
    began = time.monotonic()
    try:
        load.start()
        time.sleep(WARM_S)
        scenario.action(run)
        _recover(run)
        time.sleep(COOL_S)
    except Exception as error:  # whatever it is, the other scenarios are executed
        result.problems.append(f"gave up: {error!r}")
    finally:
        pipeline.heal()
        try:
            load.stop()
        except Exception as error:
            result.problems.append(f"the load ended: {error!r}")
    try:
        _judge(run, is_drained=_drain(run))
    except Exception as error:  # a server that the scenario left dead, say
        result.problems.append(f"it could not be judged: {error!r}")
    _read_logs(run)
    for worker in pipeline.workers:
        run.expect(worker.process.poll() is None, f"a worker ended with status {worker.process.poll()}")
    result.took_s = round(time.monotonic() - began, 1)
    return result


def _recover(run: Run) -> None:
    """
    Measure how long after the fault each worker receives again and has worked off a batch.

    What was broken must have passed by then. A fresh report is sent, which the ledger expects behind all that waits.
    """
    began = time.monotonic()
    workers = list(run.pipeline.workers)
    batches = {worker.log_path: run.log(worker).count("messages=") for worker in workers}
    passed = {name: run.pipeline.proxy(server).seen[name] for server, name in run.broken}
    run.load.canary()

    def is_back() -> bool:
        return all(run.log(worker).count("messages=") > batches[worker.log_path] for worker in workers) and all(
            run.pipeline.proxy(server).seen[name] > passed[name] for server, name in run.broken
        )

    limit_s = bound_s(run.scenario.recovery_s)
    eventually(is_back, limit_s + 30)
    run.result.recovered_s = round(time.monotonic() - began, 2)
    run.expect(run.result.recovered_s <= limit_s, f"recovered after {run.result.recovered_s} s, not {limit_s:g} s")


def _drain(run: Run) -> bool:
    """Wait until the queue is empty, also after a scenario that gave up; return whether it is."""
    with suppress(AssertionError):
        if run.pipeline.workers:
            run.pipeline.drain(bound_s(run.scenario.drain_s))
    waiting = run.pipeline.depth()
    run.expect(not waiting, f"{waiting} messages were still in the queue, so what is lost is not known")
    return not waiting


def _judge(run: Run, *, is_drained: bool) -> None:
    result, load = run.result, run.load
    if run.copied:
        from reports.queue import dead_letters

        listed, messages = sum(map(len, dead_letters.walk_letters())), run.pipeline.dead()
    letters = run.pipeline.letters()
    if run.copied:
        run.expect(messages > len(letters), "nothing was set aside twice")
        run.expect(listed == len(letters), f"{listed} dead letters are listed, not {len(letters)}")
    for letter in letters:
        field = load.fields.get(letter.text)
        run.expect(not field or letter.field == field, f"{letter.field} is to blame, not {field}: {letter.text[:80]}")
    found = stored(run.pipeline.suffix, cans=load.key, dead=[letter.text for letter in letters])
    verdict = load.ledger.judge(found)
    if not is_drained:
        # What waits in the queue is not lost, and a can may show what came before it.
        verdict = replace(verdict, lost=(), outdated=())
    result.sent, result.stored, result.set_aside = load.sent, len(found.history), len(letters)
    result.outdated, result.twice, result.lost = len(verdict.outdated), len(verdict.twice), len(verdict.lost)
    for kind in ("lost", "twice", "outdated", "phantom"):
        each = getattr(verdict, kind)
        run.expect(not each, f"{len(each)} {kind}, as {str(each[:1])[:200]}")
    moved = [letter for letter in letters if not letter.reason]
    run.expect(not moved, f"{len(moved)} moved to the dead letters by SQS itself, as {str(moved[:1])[:200]}")


def _read_logs(run: Run) -> None:
    result, lines = run.result, run.lines()
    worked = [sum(map(int, found.groups()[1:])) for line in lines if (found := BATCH.search(line))]
    result.executions = round(sum(worked) / result.sent, 3) if result.sent else 0.0
    most_executions = run.scenario.most_executions
    run.expect(result.executions <= most_executions, f"{result.executions} executions a report")
    told: dict[str, int] = {}
    for line in lines:
        if found := _OUTAGE.match(line):
            what = found[1] or found[2]
            told[what] = told.get(what, 0) + 1
        elif line.startswith(("ERROR", "CRITICAL")) or " ERROR" in line[:40]:
            explained = any(re.search(pattern, line) for pattern in run.scenario.explained)
            run.expect(explained, f"not explained: {line[:300]}")
    result.lines = sum(
        line.startswith(("WARNING", "ERROR", "CRITICAL")) or " works again " in line
        for line in lines
        if " set aside message " not in line
    )
    # Of a pool one more than TRASH_CONCURRENCY, for alerts.
    processes = 6 if run.pool == "prefork" else 1
    allowed = (2 * run.scenario.outages + int(run.outage_s // 60)) * processes * max(1, len(run._workers))
    for what, times in told.items():
        # What happens in the main process alone is told by one.
        most = allowed if "stor" in what or "delet" in what else allowed // processes
        run.expect(times <= most, f"{times} lines say that {what} fails or works again, {most} would do")
