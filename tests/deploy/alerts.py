"""
Walk through each alert with its real fault: `make alerts`. A real Prometheus scrapes a real worker and web server.

Every time of deploy/prometheus/rules.yml is divided by FASTER, and the ten minutes of OldestReport by ten; the tests by
promtool hold the times themselves. Prints for each alert how long after the fault's begin it spoke, what it said, which
others spoke with it, and how long after the repair it was silent. Ends with status 1 where one did not speak, or speaks
on. Takes ten minutes, and needs the programs prometheus and promtool. DASHBOARD_PICTURE names a file for a picture of
the dashboard at the end.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from stack.servers import LOOPBACK, answers, free_port, start_both
from tests.deploy import panels
from tests.faults.load import Load, Mix
from tests.faults.pipeline import Pipeline, provision
from tests.support import fault_proxy, partial_answers
from tests.support.servers import ROOT, Site, Worker, answer_to, environment, eventually

RULES = ROOT / "deploy/prometheus/rules.yml"
FASTER = 60
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600}
#: An alert speaks within this, and is silent within this after the repair: workers look at the queues twice a minute.
SPEAKS_S, SILENT_S = 150.0, 150.0
#: After a burn of the objective its windows go on for long: 3 days are 72 minutes here.
SPEAKS_ON = ("ReportsLate", "ReportsOftenLate")
WRITES = ("BatchWriteItem", "BatchExecuteStatement")


def shortened(rules: str) -> str:
    """Return the rules with every window and pause FASTER times as short."""

    def shorter(found: re.Match[str]) -> str:
        return f"{found[1]}{int(found[2]) * _SECONDS[found[3]] * 1000 // FASTER}ms"

    return re.sub(r"(\[|for: )(\d+)([smhd])\b", shorter, rules).replace("_seconds) > 600", "_seconds) > 60")


class Walk:
    """A stack with a Prometheus, and what may be done to it."""

    def __init__(self, pipeline: Pipeline, stack: ExitStack) -> None:
        self.pipeline = pipeline
        self.ports = {name: free_port() for name in ("worker", "web", "prometheus")}
        self.preload = pipeline.directory / "preload"
        self.preload.mkdir()
        self.data = pipeline.directory / "data"
        self.data.mkdir()
        self.worker = self.start_worker()
        self._site_environ = {
            "AWS_ENDPOINT_URL_SQS": pipeline.sqs.url, "AWS_ENDPOINT_URL_DYNAMODB": pipeline.dynamodb.url,
            "TRASH_METRICS_PORT": str(self.ports["web"]), "TRASH_DATA": str(self.data), "TRASH_READ_RATE": "",
        }  # fmt: skip
        prepare = [sys.executable, "-m", "stack.prepare"]
        subprocess.run(prepare, cwd=ROOT, env=os.environ | self._site_environ, check=True, capture_output=True)
        self.site = self.start_site()
        self.load = Load(pipeline.queue, pipeline.url, "walk", Mix(rate=10, old=0))
        self.load.start()
        stack.callback(self.load.stop)
        stack.callback(self._close_site)
        stack.enter_context(self._prometheus())
        stack.enter_context(_every(0.2, lambda: self.ask("/reports/")))

    def start_worker(self) -> Worker:
        """Start the worker, which hangs when it is told to, and sets 20 reports a minute aside at most."""
        return self.pipeline.start(
            modules=["tests.faults.preload"], PRELOAD_DIR=str(self.preload), TRASH_DATA=str(self.data),
            TRASH_METRICS_PORT=str(self.ports["worker"]), TRASH_BRAKE_SET_ASIDE="20",
        ).ready()  # fmt: skip

    def start_site(self) -> Site:
        """Start the web server."""
        return Site(self.data / "web.log", **self._site_environ)

    def _close_site(self) -> None:
        self.site.close()

    @contextmanager
    def _prometheus(self) -> Iterator[None]:
        folder = self.pipeline.directory / "prometheus"
        folder.mkdir()
        (folder / "rules.yml").write_text(shortened(RULES.read_text()))
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yml"],
            "scrape_configs": [
                {"job_name": f"trashsite-{name}", "static_configs": [{"targets": [f"{LOOPBACK}:{self.ports[name]}"]}]}
                for name in ("worker", "web")
            ],
        }
        (folder / "prometheus.json").write_text(json.dumps(config))
        subprocess.run(["promtool", "check", "rules", "rules.yml"], cwd=folder, check=True, capture_output=True)
        command = [
            "prometheus", "--config.file=prometheus.json", "--storage.tsdb.path=data", "--log.level=warn",
            f"--web.listen-address={LOOPBACK}:{self.ports['prometheus']}",
        ]  # fmt: skip
        with (folder / "log").open("wb") as log:
            program = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            eventually(lambda: answers(f"http://{LOOPBACK}:{self.ports['prometheus']}/-/ready"), 30)
            yield
        finally:
            program.terminate()
            program.wait(30)

    def ask(self, path: str) -> tuple[int, str]:
        """Return status and body of an address of the site; 0 where nothing answers."""
        return answer_to(f"{self.site.url}{path}")

    def speaking(self) -> dict[str, str]:
        """Return what each alert that speaks says, by its name."""
        url = f"http://{LOOPBACK}:{self.ports['prometheus']}/api/v1/alerts"
        with urllib.request.urlopen(url, timeout=10) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["alerts"]
        return {
            each["labels"]["alertname"]: f"{each['annotations']['summary']} {each['annotations']['description']}"
            for each in found
            if each["state"] == "firing"
        }

    def send(self, body: str, count: int) -> None:
        """Send one body so many times."""
        for at in range(0, count, 10):
            entries = [{"Id": str(each), "MessageBody": body} for each in range(at, min(at + 10, count))]
            self.pipeline.queue.send_message_batch(QueueUrl=self.pipeline.url, Entries=entries)


# -- the faults: each breaks something while its context lasts, and repairs it afterwards ------------------------------


@contextmanager
def nothing_runs(walk: Walk) -> Iterator[None]:
    """Kill -9 the only worker, and start another."""
    walk.worker.kill()
    yield
    walk.pipeline.forget(walk.worker)
    walk.worker = walk.start_worker()


@contextmanager
def away_for_a_minute(walk: Walk) -> Iterator[None]:
    """Kill the worker, leave 1,500 messages waiting for 70 s, and let a slow store take them."""
    walk.worker.kill()
    walk.send('{"can_id":"walk-late","level":"50"}', 1500)
    time.sleep(70)
    walk.pipeline.dynamodb.inject(fault_proxy.slow(2.0), *WRITES)
    walk.pipeline.forget(walk.worker)
    walk.worker = walk.start_worker()
    yield
    walk.pipeline.dynamodb.heal()


@contextmanager
def hangs(walk: Walk, what: str) -> Iterator[None]:
    """Let each receive hang as in a library that never returns."""
    (walk.preload / what).touch()
    yield
    (walk.preload / what).unlink()


@contextmanager
def store_away(walk: Walk) -> Iterator[None]:
    """DynamoDB refuses all connections."""
    walk.pipeline.dynamodb.refuse()
    yield
    walk.pipeline.dynamodb.heal()


@contextmanager
def invalid(walk: Walk, each_s: float, count: int) -> Iterator[None]:
    """Send reports that can never be stored."""
    ended = threading.Event()

    def send() -> None:
        while not ended.is_set():
            walk.send('{"can_id":"walk-bad","level":"140"}', count)
            ended.wait(each_s)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    yield
    ended.set()
    thread.join(30)
    with suppress(walk.pipeline.queue.exceptions.PurgeQueueInProgress):
        walk.pipeline.queue.purge_queue(QueueUrl=walk.pipeline.url)
    walk.pipeline.letters()


@contextmanager
def alert_set_aside(walk: Walk) -> Iterator[None]:
    """Queue an alert that tells of nothing: it can never be delivered. Then empty the queue in which it ends."""
    queue, alerts = walk.pipeline.queue, "trash-alerts{}-walk"
    queue.send_message(QueueUrl=queue.get_queue_url(QueueName=alerts.format(""))["QueueUrl"], MessageBody="{}")
    yield
    queue.purge_queue(QueueUrl=queue.get_queue_url(QueueName=alerts.format("-dead"))["QueueUrl"])


@contextmanager
def hot_can(walk: Walk) -> Iterator[None]:
    """DynamoDB throttles one can, whose device goes on sending."""
    walk.pipeline.dynamodb.inject(partial_answers.hot("walk-hot"), *WRITES)
    with _every(0.5, lambda: walk.send('{"can_id":"walk-hot","level":"50"}', 10)):
        yield
    walk.pipeline.dynamodb.heal()


@contextmanager
def cans_fall_silent(walk: Walk) -> Iterator[None]:
    """A third of the cans reported two days ago for the last time; then they report again."""

    def report(age: timedelta) -> None:
        at = (datetime.now(UTC) - age).isoformat().replace("+00:00", "Z")
        for number in range(40):
            walk.send(f'{{"can_id":"walk-silent{number}","level":"50","measured_at":"{at}"}}', 1)

    report(timedelta(days=2))
    # The numbers of the overview are counted while somebody looks at it; the last count must have seen the repair.
    with _every(2.0, lambda: walk.ask("/"), goes_on_s=100.0):
        yield
        report(timedelta())


@contextmanager
def site_gone(walk: Walk) -> Iterator[None]:
    """Kill -9 the web server, and start another."""
    walk.site.close()
    yield
    walk.site = walk.start_site()


@contextmanager
def _every(pause_s: float, do: Callable[[], object], *, goes_on_s: float = 0.0) -> Iterator[None]:
    """Do something again and again in a thread, until the end of the block, or for so much longer."""
    ended = threading.Event()

    def go_on() -> None:
        while not ended.wait(pause_s):
            do()

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        if goes_on_s:
            threading.Timer(goes_on_s, ended.set).start()
        else:
            ended.set()
            thread.join(30)


#: Each fault with the alerts that it must make speak, in the order in which they are played.
FAULTS: list[tuple[tuple[str, ...], Callable[[Walk], Any]]] = [
    (("DeadLetters",), lambda walk: invalid(walk, 60.0, 1)),
    (("AlertsNotDelivered",), alert_set_aside),
    (("DeadLettersLimited",), lambda walk: invalid(walk, 1.0, 200)),
    (("ReportsThrottled",), hot_can),
    (("AwsFails", "WebErrors", "ReportsWait", "NoWorker"), store_away),
    (("ManySilent",), cans_fall_silent),
    (("NotScraped",), site_gone),
    (("WorkerStuck",), lambda walk: hangs(walk, "receive")),
    (("NoWorker",), nothing_runs),
    (("OldestReport", "ReportsLate", "ReportsOftenLate"), away_for_a_minute),
]


def walk_through(walk: Walk, wanted: tuple[str, ...], fault: Callable[[Walk], Any]) -> bool:
    """Play one fault; return whether all its alerts spoke, and were silent again."""
    began = time.monotonic()
    spoke: dict[str, tuple[float, str]] = {}
    with fault(walk):
        while set(wanted) - set(spoke) and time.monotonic() - began < SPEAKS_S:
            for name, text in walk.speaking().items():
                spoke.setdefault(name, (time.monotonic() - began, text))
            time.sleep(0.5)
    repaired = time.monotonic()
    left = {name for name in spoke if name not in SPEAKS_ON}
    with suppress(AssertionError):
        eventually(lambda: not left & set(walk.speaking()), SILENT_S, pause_s=0.5)
    silent_s, on = time.monotonic() - repaired, sorted(left & set(walk.speaking()))
    for name, (after_s, text) in spoke.items():
        print(f"{name if name in wanted else f'  with it {name}':<28} after {after_s:5.1f} s  {text}")
    missing = sorted(set(wanted) - set(spoke))
    ending = f"FAILED: {', '.join(on)} speaks on" if on else f"silent {silent_s:.0f} s after the repair"
    print(f"  {ending}" + f"; FAILED: {', '.join(missing)} said nothing" * bool(missing), flush=True)
    if missing:
        print("  the worker's log ends: " + "\n    ".join(walk.worker.log.splitlines()[-30:]), file=sys.stderr)
    return not missing and not on


def main(words: list[str]) -> int:
    """Play all faults, or those of the alerts whose names hold one of the words."""
    for program in ("prometheus", "promtool"):
        if not shutil.which(program):
            print(f"make alerts: {program} is not installed: apt-get install prometheus", file=sys.stderr)
            return 1
    known = {rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
             if "alert" in rule}  # fmt: skip
    unplayed = known - {name for names, _ in FAULTS for name in names}
    chosen = [each for each in FAULTS if not words or any(word in name for word in words for name in each[0])]
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="alerts-")))
        servers = start_both(directory)
        os.environ.update(environment(*servers), TRASH_LOCAL="1", TRASH_SUFFIX="walk")
        provision()
        pipeline = stack.enter_context(closing(Pipeline("walk", servers, directory)))
        walk = Walk(pipeline, stack)
        time.sleep(20)
        calm = walk.speaking()
        print(f"calm: {calm or 'no alert speaks'}", flush=True)
        done = [walk_through(walk, *each) for each in chosen]
        if file := os.environ.get("DASHBOARD_PICTURE"):
            Path(file).write_text(panels.picture(f"http://{LOOPBACK}:{walk.ports['prometheus']}"))
    for name in sorted(unplayed):
        print(f"FAILED: {name} has no fault here")
    return int(bool(calm or unplayed) or not all(done))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
