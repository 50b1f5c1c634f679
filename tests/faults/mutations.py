"""Every published message of sensors with each of its members removed, retyped and made huge, through all of it."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3

from stack.servers import LOOPBACK
from tests.faults.load import Mix
from tests.faults.pace import WARM
from tests.faults.run import Run, Scenario
from tests.support.servers import ROOT, Site

MUTATIONS = 10_000
#: One in so many is sent by HTTP, as servers send that know no queue.
BY_HTTP = 5
#: Of the same frame under the same counter, within so long, one is stored (reports.formats.identity).
REPEATED_WITHIN = timedelta(minutes=10)
#: With more invalid elements, or more than half of several, the message is one dead letter as a whole.
MOST_LETTERS = 10
SOURCE = "mutations"
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Stored:
    """
    A report that may, or does, lie in the history.

    rest: all that it says beside its level. at: None where only the queue knows when it was measured.
    """

    can_id: str
    level: str
    distance_mm: str
    frame: str
    rest: str
    at: datetime | None


def mutations(run: Run) -> None:
    """Send them all; each dead letter, report and answer of the site has to follow from what was sent."""
    from tests.reports.formats.test_hostile import mutations as mutated

    cans = _mount(run.load.key)
    bodies = [text for _, text, _, _ in mutated(MUTATIONS)]
    run.start(TRASH_BRAKE_SET_ASIDE="0", TRASH_NEW_CANS="0").ready()
    run.load.pause()
    with closing(run.site()) as site:
        secret = _secret(site)
        run.load.send_uplinks([(each, _letters(each)) for at, each in enumerate(bodies) if at % BY_HTTP])
        _post(run, site, secret, [each for at, each in enumerate(bodies) if not at % BY_HTTP])
        run.pipeline.drain(75)
        _compare(run, list(_expected(bodies, cans)))
        _visit(run, site, cans)
        run.expect(" ERROR " not in site.log, f"the web server says: {site.log[-300:]}")
    run.result.notes["mutations"] = len(bodies)
    run.expect(len(bodies) >= MUTATIONS, f"only {len(bodies)} mutations were made")
    run.load.resume()


# -- what has to come of it: by the formats' pure functions ------------------------------------------------------------


def _mount(key: str) -> dict[str, Any]:
    """Mount each published sensor in a can of its own, deep enough that no distance is beyond it."""
    from reports import store
    from reports.formats import registered
    from reports.formats.mounting import Calibration, Mounting
    from tests.reports.formats.test_uplinks import EXPECTED

    deep = Calibration(version=1, empty_mm=Decimal(100_000), full_mm=Decimal(0), blind_mm=Decimal(0))
    keys = {row["can_key"] for row in EXPECTED.values()} | {
        each["can_key"] for row in EXPECTED.values() for each in row["more"] if "can_key" in each
    }
    cans = {
        sensor: Mounting(can_id=f"mutated-{key}-{at}", since=LONG_AGO, calibration=deep, holds_tilted=False)
        for at, sensor in enumerate(sorted(keys - {None, "432"}))
    }
    texts = {sensor: registered.to_text("", [mounting]) for sensor, mounting in cans.items()}
    store.write_entries("sensor", list(cans), lambda _: texts, datetime.now(UTC))
    return cans


def _letters(body: str) -> tuple[str, ...]:
    """Return the texts of a message that have to be set aside."""
    from reports.formats import parse
    from reports.report import InvalidReport

    elements = parse(body, datetime.now(UTC))
    invalid = [each.text for each in elements if isinstance(each, InvalidReport)]
    if len(invalid) > MOST_LETTERS or (len(invalid) > 1 and 2 * len(invalid) > len(elements)):
        return (body,)
    return tuple(invalid)


def _expected(bodies: Sequence[str], cans: dict[str, Any]) -> Iterator[Stored]:
    from reports.formats import parse
    from reports.formats.mounting import to_report
    from reports.formats.readings import Clock, Reading
    from reports.report import Report

    now = datetime.now(UTC)
    for body in bodies:
        for each in parse(body, now):
            report, is_queues = each, False
            if isinstance(each, Reading):
                mounting = cans.get(each.frame.key or "")
                report = to_report(each, mounting, now) if mounting else None
                is_queues = each.clock is Clock.QUEUE
            if isinstance(report, Report):
                is_queues = is_queues or report.measured_at == now
                yield _told(report.can_id, report.level, report.attributes, None if is_queues else report.measured_at)


def _told(can_id: str, level: str, attributes: str, at: datetime | None) -> Stored:
    told = json.loads(attributes)
    distance, frame = (str(told.get(name, "")) if "sensor" in told else "" for name in ("distance_mm", "frame"))
    return Stored(can_id, level, distance, frame, json.dumps(told, sort_keys=True), at)


# -- what came of it ---------------------------------------------------------------------------------------------------


def _compare(run: Run, expected: Sequence[Stored]) -> None:
    found = list(_history(run))
    possible = set(expected)
    phantoms = [each for each in found if each not in possible and _timeless(each) not in possible]
    run.expect(not phantoms, f"{len(phantoms)} reports were in no message, as {phantoms[:1]}")
    stood: dict[tuple[str, ...], list[datetime]] = {}
    for each in found:
        if each.at:
            stood.setdefault(_measurement(each), []).append(each.at)
    lost = [
        each
        for each in possible
        if not any(
            each.at is None or abs(at - each.at) <= (REPEATED_WITHIN if each.frame else timedelta(0))
            for at in stood.get(_measurement(each), ())
        )
    ]
    run.expect(not lost, f"{len(lost)} reports were lost, as {lost[:1]}")
    twice = [each for each, times in Counter(found).items() if times > 1]
    run.expect(not twice, f"{len(twice)} reports are stored twice, as {twice[:1]}")
    run.result.notes |= {"reports": len(found), "possible": len(possible)}


def _measurement(each: Stored) -> tuple[str, ...]:
    return each.can_id, each.level, each.distance_mm, each.frame


def _timeless(each: Stored) -> Stored:
    return replace(each, at=None)


def _history(run: Run) -> Iterator[Stored]:
    """Yield all reports of the history, read with the AWS SDK alone, but the load's own and what warmed up."""
    table = f"trash-level-history-{run.pipeline.suffix}"
    for page in boto3.client("dynamodb").get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
        for item in page["Items"]:
            can_id, key = item["id"]["S"], item["order_key"]["S"]
            if can_id.startswith((run.load.key, WARM)) or "/" in can_id or not key[0].isdigit():
                continue
            at = datetime.fromisoformat(key.split("#")[0])
            yield _told(can_id, item["level"]["S"], item.get("attributes", {}).get("S", "{}"), at)


# -- the site ----------------------------------------------------------------------------------------------------------


def _secret(site: Site) -> str:
    made = subprocess.run(
        [sys.executable, "manage.py", "uplink-source", SOURCE], cwd=ROOT, check=True, capture_output=True, text=True,
        env=os.environ | {"TRASH_DATA": str(Path(site.log_path).parent)},
    )  # fmt: skip
    return made.stdout.strip()


def _post(run: Run, site: Site, secret: str, bodies: Sequence[str]) -> None:
    """Send messages by HTTP; what is refused, with 4xx, is not in the queue."""
    answers: Counter[int] = Counter()
    with closing(http.client.HTTPConnection(LOOPBACK, site.port, timeout=30)) as connection:
        for body in bodies:
            letters = _letters(body)
            run.load.note_poison(letters)
            connection.request("POST", f"/uplinks/{SOURCE}", body.encode(), {"X-Uplink-Secret": secret})
            answer = connection.getresponse()
            answer.read()
            answers[answer.status] += 1
    run.expect(set(answers) == {202}, f"the site answered uplinks {dict(answers)}")


def _visit(run: Run, site: Site, cans: dict[str, Any]) -> None:
    """Ask for the pages and answers that show what was stored: none may fail."""
    paths = [
        "/",
        "/reports/",
        *(f"/reports/{mounting.can_id}{end}" for mounting in cans.values() for end in ("", "/history")),
    ]
    failed = []
    with closing(http.client.HTTPConnection(LOOPBACK, site.port, timeout=30)) as connection:
        for path in paths:
            for accept in ("text/html", "application/json"):
                connection.request("GET", path, headers={"Accept": accept})
                answer = connection.getresponse()
                answer.read()
                if answer.status not in (200, 404):
                    failed.append((path, accept, answer.status))
    run.expect(not failed, f"{len(failed)} answers failed, as {failed[:1]}")


def hostile() -> list[Scenario]:
    """The mutations."""
    return [
        Scenario(
            "mutations: 10,000 of the published messages", mutations, starts=True, seconds=180, drain_s=120,
            mix=Mix(rate=10), pools=("threads", "prefork"),
        )
    ]  # fmt: skip
