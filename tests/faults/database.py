"""PostgreSQL, which keeps users and facts, dies under the web server: what visitors get, and what is left of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import NamedTuple

from tests.faults.load import Mix
from tests.faults.pace import bound_s
from tests.faults.run import Run, Scenario
from tests.support.postgresql import PostgreSQL, is_installed, postgresql
from tests.support.servers import ROOT, Site, eventually

TIMES, AWAY_S = 3, 6.0
#: A refusal, health, and a report's way through a worker that needs no database, must not wait for PostgreSQL.
REFUSED_S, HEALTH_S, READABLE_S = bound_s(5.0), bound_s(2.0), bound_s(5.0)
#: So soon after PostgreSQL answers again, the site does.
BACK_S = bound_s(30.0)


class Answer(NamedTuple):
    """An answer of the site. status: 0 where there was none. took_s: until it was read."""

    status: int
    retry_after: str
    body: str
    took_s: float


class Visitor:
    """An operator's program: it reads, and it names cans, one after another."""

    def __init__(self, site: Site, token: str, key: str) -> None:
        self._site, self._token, self._key = site, token, key
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._go_on, daemon=True)
        #: The names that the site said it has stored, by can; and all its answers.
        self.acknowledged: dict[str, str] = {}
        self.statuses: Counter[int] = Counter()

    def ask(self, path: str, facts: dict[str, str] | None = None) -> Answer:
        """GET a path, or PUT facts there."""
        request = urllib.request.Request(  # noqa: S310
            f"{self._site.url}{path}",
            method="PUT" if facts else "GET",
            data=json.dumps(facts).encode() if facts else None,
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
        )
        began = time.monotonic()
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                status, headers, body = answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as refusal:
            with refusal:
                status, headers, body = refusal.code, refusal.headers, refusal.read()
        return Answer(status, headers.get("Retry-After", ""), body.decode(), time.monotonic() - began)

    @contextmanager
    def naming(self) -> Iterator[None]:
        """Name one can after another until the end."""
        self._thread.start()
        try:
            yield
        finally:
            self._ended.set()
            self._thread.join(90)

    def _go_on(self) -> None:
        number = 0
        while not self._ended.wait(0.02):
            number += 1
            can_id, name = f"{self._key}-named{number % 500}", f"Name {number}"
            answer = self.ask(f"/cans/{can_id}", {"name": name})
            self.statuses[answer.status] += 1
            if answer.status < 300:
                self.acknowledged[can_id] = name
            else:
                # It may have been stored, and only the answer to it was lost: nothing is promised of this can.
                self.acknowledged.pop(can_id, None)


def killed(run: Run) -> None:
    """Kill -9 all of PostgreSQL, three times, while an operator's program writes and devices report."""
    run.start().ready()
    data = run.pipeline.directory / f"site-{run.load.key}"
    data.mkdir()
    with postgresql("fsync=on", "max_connections=20") as server:
        environ = {
            "DATABASE_URL": server.url, "TRASH_DATA": str(data), "TRASH_READS": "authenticated",
            **dict.fromkeys(("TRASH_READ_RATE", "TRASH_POST_RATE", "TRASH_LOGIN_RATE"), ""),
        }  # fmt: skip
        _manage(environ, "prepare")
        _manage(environ, "people", "--add", "vera", "--role", "operator")
        token = _manage(environ, "people", "--token", "vera")
        with closing(Site(data / "log", **environ)) as site:
            visitor = Visitor(site, token, run.load.key)
            with visitor.naming():
                for _ in range(TIMES):
                    eventually(lambda: visitor.acknowledged)
                    time.sleep(1.0)
                    _kill_once(run, server, visitor)
                    run.add("kills")
            _judge(run, visitor)
            run.expect("Traceback" not in site.log, f"the web server logged a traceback: {site.log[-500:]}")


def _kill_once(run: Run, server: PostgreSQL, visitor: Visitor) -> None:
    server.kill()
    began = time.monotonic()
    canary = run.load.canary()
    refused = visitor.ask("/reports/")
    run.expect((refused.status, refused.retry_after) == (503, "5"), f"without PostgreSQL a page answers {refused}")
    run.expect(refused.took_s <= REFUSED_S, f"503 took {refused.took_s:.1f} s")
    for path in ("/health/live", "/health/ready"):
        health = visitor.ask(path)
        run.expect(health.status == 200 and health.took_s <= HEALTH_S, f"without PostgreSQL {path} answers {health}")
    eventually(lambda: run.pipeline.is_readable(canary), 30)
    took = time.monotonic() - began
    run.expect(took <= READABLE_S, f"without PostgreSQL a report was readable after {took:.1f} s")
    time.sleep(max(0.0, AWAY_S - (time.monotonic() - began)))
    server.start()
    began = time.monotonic()
    eventually(lambda: visitor.ask("/reports/").status == 200, BACK_S)
    run.result.notes["site back after s"] = round(time.monotonic() - began, 1)


def _judge(run: Run, visitor: Visitor) -> None:
    """Expect no answer but done and 503, and every name there that was acknowledged."""
    run.expect(set(visitor.statuses) <= {200, 201, 503}, f"the site answered {dict(visitor.statuses)}")
    run.expect(visitor.statuses[503], "no write met the outage")
    lost = [
        can_id
        for can_id, name in visitor.acknowledged.items()
        if json.loads(visitor.ask(f"/cans/{can_id}").body).get("name") != name
    ]
    run.result.notes |= {"names": len(visitor.acknowledged), "answers": dict(visitor.statuses)}
    run.expect(not lost, f"{len(lost)} of {len(visitor.acknowledged)} acknowledged names are lost, as {lost[:1]}")


def _manage(environ: dict[str, str], *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *words], cwd=ROOT, env=os.environ | environ, check=True, capture_output=True,
        text=True,
    )  # fmt: skip
    return done.stdout.strip()


def databases() -> list[Scenario]:
    """Ends of PostgreSQL."""
    return [
        Scenario(
            "database: PostgreSQL killed", killed, mix=Mix(rate=60), starts=True, seconds=60, outages=4,
            pools=("threads",),
            not_here="" if is_installed() else "PostgreSQL is not installed (apt-get install postgresql)",
        )
    ]  # fmt: skip
