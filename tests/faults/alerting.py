"""Alerts while things break: each can that became full is told, under one id, and nothing is told that is not so."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from reports import queue, store
from reports.insight.alert_rule import AlertRule, Channel
from reports.insight.status import Status
from reports.queue import LetterKind
from tests.faults.faults import Action, outage
from tests.faults.load import Mix
from tests.faults.pace import bound_s
from tests.faults.run import Run, Scenario
from tests.support import fault_proxy
from tests.support.servers import ROOT, eventually
from tests.support.webhook_receiver import Receiver, receiver

KILLS, CANS = 6, 40
#: Times that alerts are set aside and sent back, and how many each time: each has a rule of its own, since after one
#: failure a rule is left alone for some seconds.
TURNS, REFUSED = 3, 24
#: What a worker had received when it died is invisible for 30 s, its report first and then its alert.
TOLD_S = bound_s(100.0)
SECRET = f"whsec_{base64.b64encode(bytes(24)).decode()}"
#: How `manage.py redrive` may end: done; stopped, or some letters were received by another reader; stopped when all was
#: done, and it was about to end.
ENDS = (0, 1, -signal.SIGINT)


class Told:
    """The cans that were sent as full, and what the receiver got of them."""

    def __init__(self, run: Run, hook: Receiver) -> None:
        self._run, self._hook = run, hook
        self._sent: set[str] = set()

    def send(self, cans: int) -> None:
        """Send the first report of so many new cans, each full."""
        for _ in range(cans):
            can_id = f"{self._run.load.key}-full{len(self._sent)}"
            at = datetime.now(UTC).isoformat()
            self._run.load.send_body(f'{{"can_id":"{can_id}","level":"91.5","measured_at":"{at}"}}')
            self._sent.add(can_id)

    def judge(self) -> None:
        """Wait until each is told, then expect one id a can, and no alert without its change."""
        try:
            eventually(lambda: self._sent <= {each["can_id"] for each in self._hook.told}, TOLD_S, pause_s=0.5)
        except AssertionError:
            lost = sorted(self._sent - {each["can_id"] for each in self._hook.told})
            self._run.expect(not lost, f"{len(lost)} alerts lost, as of {lost[:3]}")
        ids = {(each["can_id"], each["id"]) for each in self._hook.told}
        twice = [can_id for can_id, count in Counter(can_id for can_id, _ in ids).items() if count > 1]
        self._run.expect(not twice, f"{len(twice)} changes told under two ids, as of {twice[:3]}")
        phantom = [each for each in self._hook.told if each["can_id"] not in self._sent or each["status"] != "FULL"]
        self._run.expect(not phantom, f"{len(phantom)} alerts without their change, as {phantom[:1]}")
        self._run.result.notes["alerts"] = len(ids)
        self._run.result.notes["alerts that came again"] = len(self._hook.told) - len(ids)


@contextmanager
def told(run: Run, cans: Sequence[str] = ("*",)) -> Iterator[tuple[Told, Receiver]]:
    """Have a receiver told of each can of this run that becomes full; cans: how their ids end, a rule for each."""
    with receiver() as hook:
        rules = {
            str(number): AlertRule(
                str(number), "faults", frozenset({Status.FULL}), Channel.WEBHOOK, hook.url, SECRET,
                can_id=f"{run.load.key}-full{can}", pause_s=0, most_an_hour=10_000,
            ).text()
            for number, can in enumerate(cans, start=1)
        }  # fmt: skip
        texts = {"rules": json.dumps(list(rules)), **rules}
        store.write_entries("alert", texts, lambda _: texts, datetime.now(UTC))
        try:
            yield Told(run, hook), hook
        finally:
            store.write_entries("alert", texts, lambda _: {}, datetime.now(UTC))


def kills(run: Run) -> None:
    """Kill -9 the only worker again and again, while cans become full."""
    with told(run) as (alerts, _):
        worker = run.start(TRASH_PRIVATE_WEBHOOKS="on").ready()
        for turn in range(KILLS):
            alerts.send(CANS)
            time.sleep(0.1 + 0.15 * (turn % 4))
            run.pipeline.forget(worker)
            run.add("kills")
            worker = run.start(TRASH_PRIVATE_WEBHOOKS="on").ready()
        alerts.judge()


def while_alerts_fail(break_: Callable[[Receiver], None], seconds: float) -> Action:
    """Have the receiver fail while cans become full; it works again after so many seconds."""

    def action(run: Run) -> None:
        with told(run) as (alerts, hook):
            run.start(TRASH_PRIVATE_WEBHOOKS="on").ready()
            break_(hook)
            alerts.send(CANS)
            time.sleep(seconds)
            hook.status = 204
            hook.released.set()
            alerts.judge()

    return action


def redriven_while_workers_die(run: Run) -> None:
    """
    Have a receiver refuse alerts for good until they are set aside; send them back while the worker is killed.

    The command that sends them back is stopped in the middle of every second turn. What it had sent meets a receiver
    that refuses again.
    """
    with told(run, [str(number) for number in range(TURNS * REFUSED)]) as (alerts, hook):
        worker = run.start(TRASH_PRIVATE_WEBHOOKS="on").ready()
        for turn in range(TURNS):
            hook.status = 410
            alerts.send(REFUSED)
            eventually(lambda: _set_aside() >= REFUSED, TOLD_S, pause_s=0.25)
            waiting = _set_aside()
            run.result.notes["alerts set aside"] = run.result.notes.get("alerts set aside", 0) + waiting
            hook.status = 204
            command = _redrive(run)
            eventually(lambda: _set_aside() < waiting or command.poll() is not None, pause_s=0.005)  # noqa: B023
            if turn % 2:
                command.send_signal(signal.SIGINT)
            run.pipeline.forget(worker)
            run.add("kills")
            run.expect(command.wait(60) in ENDS, f"`redrive` ended with {command.returncode}")
            worker = run.start(TRASH_PRIVATE_WEBHOOKS="on").ready()
        eventually(lambda: _redrive(run).wait(60) in ENDS and not _set_aside(), TOLD_S, pause_s=1)
        alerts.judge()
        run.expect(not _set_aside(), f"{_set_aside()} alerts were set aside again")


def _redrive(run: Run) -> subprocess.Popen[bytes]:
    environ = {"TRASH_SUFFIX": run.pipeline.suffix, "AWS_ENDPOINT_URL_SQS": run.pipeline.sqs.url}
    command = [sys.executable, "manage.py", "redrive", "--alerts", "--all"]
    with (run.pipeline.directory / f"redrive-{run.load.key}.log").open("ab") as log:
        return subprocess.Popen(command, cwd=ROOT, env=os.environ | environ, stdout=log, stderr=log)


def _set_aside() -> int:
    return queue.count_dead_letters(LetterKind.ALERTS)


def while_the_queue_fails(fault: fault_proxy.Fault | None) -> Action:
    """Have no alert queued for a while, in which cans become full."""
    broken = outage("sqs", fault, "SendMessageBatch", seconds=5)

    def action(run: Run) -> None:
        with told(run) as (alerts, _):
            run.start(TRASH_PRIVATE_WEBHOOKS="on").ready()
            alerts.send(CANS)
            broken(run)
            alerts.send(CANS)
            alerts.judge()

    return action


def _answers(status: int) -> Callable[[Receiver], None]:
    def break_(hook: Receiver) -> None:
        hook.status = status

    return break_


def alerts() -> list[Scenario]:
    """What must not lose an alert."""

    def scenario(name: str, action: Action, seconds: float) -> Scenario:
        # With some poison, so that messages are sent after the fault, too: by these it is seen to be over.
        mix = Mix(rate=40, poison=0.05)
        return Scenario(f"alerts: {name}", action, mix=mix, starts=True, seconds=seconds, outages=4, pools=("threads",))

    return [
        scenario("kill -9", kills, 110),
        scenario("the receiver answers 500", while_alerts_fail(_answers(500), 8.0), 50),
        scenario("the receiver hangs", while_alerts_fail(_answers(0), 12.0), 70),
        scenario("set aside, and sent back while workers die", redriven_while_workers_die, 120),
        scenario("none can be queued", while_the_queue_fails(fault_proxy.unavailable), 50),
        scenario("the answer to queuing is lost", while_the_queue_fails(fault_proxy.lose_answer), 50),
    ]
