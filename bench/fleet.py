"""
What a large fleet costs: counted by index, walked through, exported, and its pages meanwhile.

    python -m bench.fleet fill N FILE    write the rows of N cans into the embedded store's file
    python -m bench.fleet know N         write facts of them into Django's database
    python -m bench.fleet count          count them and walk through them; print as JSON what each took
"""

from __future__ import annotations

import json
import os
import random
import resource
import sqlite3
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

from bench import pages, processes, reading
from bench.deployment import ROOT, BenchError, Deployment
from bench.messages import STREAMS
from bench.replay import watched
from stack import servers

CANS = 100_000
#: Asked again and again while the fleet is counted.
PAGES = {"one can": "/reports/7", "the fleet": "/reports/", "the overview": "/"}
TIMES = 100
FILES = {"CSV of all": "/reports/?format=csv", "CSV, nothing found": "/reports/?format=csv&stream=none-such"}


def measure(deployment: Deployment, cans: int) -> dict[str, Any]:
    """Fill the tables with `cans` cans, and facts of each; return what the fleet costs. Raises BenchError."""
    _run(deployment, "fill", str(cans), str(deployment.dynamodb.data / "tables.sqlite3"))
    figures: dict[str, Any] = {"cans": cans, **json.loads(_run(deployment, "count"))}
    environ = deployment.environ(TRASH_DATA=str(deployment.scratch))
    subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=environ, check=True)
    _run(deployment, "know", str(cans), TRASH_DATA=str(deployment.scratch))
    port = servers.free_port()
    with reading.serving("web", port, deployment) as pid:
        url, tree = f"http://127.0.0.1:{port}", processes.tree(pid)
        figures["pages"] = _pages_while_counted(url, tree)
        figures["files"] = {name: _file(url + path, tree) for name, path in FILES.items()}
        figures["peak_mb"] = max(map(processes.peak_mb, processes.tree(pid)))
    return figures


def _run(deployment: Deployment, *arguments: str, **environ: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "bench.fleet", *arguments], cwd=ROOT, env=deployment.environ(**environ), text=True,
        stdout=subprocess.PIPE, check=False,
    )  # fmt: skip
    if done.returncode:
        raise BenchError(f"bench.fleet {arguments[0]} failed")
    return done.stdout


def _pages_while_counted(url: str, tree: list[int]) -> dict[str, Any]:
    """Ask for pages while the server counts the fleet and walks through it."""
    for _ in range(600):
        overview = json.loads(pages.get(f"{url}/?format=json"))
        if overview["taken_at"] and (overview["exact"] or overview["walked"]["cans"]):
            break
        time.sleep(0.5)
    else:
        raise BenchError("the fleet was not counted, or no walk began")
    found = {}
    for name, path in PAGES.items():
        took, cpu = [], processes.cpu_s(tree)
        for _ in range(TIMES):
            began = time.perf_counter()
            pages.get(url + path)
            took.append(time.perf_counter() - began)
        cpu = processes.cpu_s(tree) - cpu
        found[name] = {
            "cpu_ms": round(cpu / TIMES * 1000, 2),
            "p50_ms": round(statistics.median(took) * 1000, 1),
            "most_ms": round(max(took) * 1000, 1),
        }
    return found


def _file(url: str, tree: list[int]) -> dict[str, float]:
    """Read a file; return its lines and bytes, CPU, and the longest time without a byte."""
    cpu, began = processes.cpu_s(tree), time.monotonic()
    size = lines = 0
    silent_s, last_s = 0.0, began
    with urllib.request.urlopen(url, timeout=600) as answer:  # noqa: S310 - our own server
        while piece := answer.read1(65536):
            silent_s, last_s = max(silent_s, time.monotonic() - last_s), time.monotonic()
            size += len(piece)
            lines += piece.count(b"\r\n")
    return {
        "lines": lines,
        "megabytes": round(size / 1e6, 1),
        "took_s": round(time.monotonic() - began, 1),
        "silent_s": round(silent_s, 2),
        "cpu_s": round(processes.cpu_s(tree) - cpu, 2),
    }


# -- in a process of its own -----------------------------------------------------------------------------


def _fill(cans: int, file: str) -> None:
    """
    Write the rows of cans of a city, as if each had reported once, into dynoxide's file: requests take far longer.

    Source: dynoxide 1.2.1, its tables; `hash_prefix`, which only a Scan in segments needs, stays empty.
    """
    from reports.store.keys import INDEXES
    from trashsite.names import full_name

    name, into = full_name("trash-levels"), 'INSERT INTO "{table}" ({columns}) VALUES ({values})'
    with sqlite3.connect(file, timeout=60) as connection:
        every = _items(cans)
        while items := list(islice(every, 2_000)):
            connection.executemany(
                into.format(table=name, columns="pk, sk, item_json, item_size", values="?, '', ?, ?"),
                [(_key(item, "id"), text, len(text)) for item in items for text in [json.dumps(item)]],
            )
            for index, (part, key) in INDEXES.items():
                connection.executemany(
                    into.format(
                        table=f"{name}::gsi::{index}",
                        columns="gsi_pk, gsi_sk, table_pk, item_json",
                        values="?, ?, ?, ?",
                    ),
                    [
                        (
                            _key(item, part),
                            _key(item, key),
                            _key(item, "id"),
                            json.dumps({each: item[each] for each in dict.fromkeys(("id", part, key))}),
                        )
                        for item in items
                    ],
                )
            connection.commit()


def _key(item: Any, name: str) -> str:
    return f"S:{item[name]['S']}"


def _items(cans: int) -> Iterator[Any]:
    from reports.insight.fold import fold_all
    from reports.report import Report
    from reports.store.keys import Keyed, order_key
    from reports.store.row_items import row_values

    chance, now = random.Random(11), datetime.now(UTC)
    for number in range(cans):
        at = now - timedelta(minutes=chance.expovariate(1 / 120), days=3 * (number % 37 == 3))
        report = Report(
            str(number), f"{chance.betavariate(1.3, 1.9) * 100:.11f}", at, at, '{"battery":3.61}',
            chance.choice(STREAMS), (_degrees(chance.gauss(50.08, 0.05)), _degrees(chance.gauss(14.43, 0.08))),
        )  # fmt: skip
        row = fold_all(None, [Keyed(report, order_key(report))])
        assert row
        yield {"id": {"S": report.can_id}, **row_values(row), "version": {"N": "1"}}


def _know(cans: int) -> None:
    """Write facts of each can, of which each 97th is out of service."""
    from reports.models import Can

    now = datetime.now(UTC)
    for at in range(0, cans, 10_000):
        Can.objects.bulk_create(
            Can(
                can_id=str(number),
                name=f"Can {number}",
                address=f"Market square {number}",
                stream=STREAMS[number % len(STREAMS)],
                retired_at=None if number % 97 else now,
                has_reported=True,
            )
            for number in range(at, min(cans, at + 10_000))
        )


def _degrees(number: float) -> Decimal:
    return round(Decimal(number), 5)


def _count() -> None:
    from django.utils import timezone

    from reports.store import Claim
    from reports.web import fleet_walk

    fleet_walk.PACE, fleet_walk.SHARE = 10**9, 1.0
    # Facts are asked for in the server's part of this.
    fleet_walk.facts_of = lambda can_ids: {}
    taken = watched(os.environ["TRASH_SUFFIX"])

    def timed(work: Callable[[Claim], object], name: str) -> dict[str, float]:
        claim = Claim(name)
        claim.take(timezone.now())
        units, cpu, began = sum(taken["reads"].values()), time.process_time(), time.monotonic()
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        work(claim)
        return {
            "cpu_s": round(time.process_time() - cpu, 2),
            "took_s": round(time.monotonic() - began, 1),
            "read_units": round(sum(taken["reads"].values()) - units),
            "extra_mb": round((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) / 1024, 1),
        }

    walk = timed(fleet_walk.walk, fleet_walk.WALKING)
    print(json.dumps({"walk": walk, "refresh": timed(fleet_walk.count_by_index, "fleet")}))


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trashsite.settings")
    import django

    django.setup()
    if sys.argv[1] == "fill":
        _fill(int(sys.argv[2]), sys.argv[3])
    elif sys.argv[1] == "know":
        _know(int(sys.argv[2]))
    else:
        _count()
