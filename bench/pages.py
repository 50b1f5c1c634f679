"""One run of the pages: a large fleet in the store, and what each page costs the web server."""

from __future__ import annotations

import gzip
import json
import random
import statistics
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from bench import processes, reading
from bench.cases import ROWS
from bench.deployment import BenchError, Deployment
from bench.messages import STREAMS
from stack import servers

CANS = 100_000
#: Reports of the one can whose page is asked for: 400 days of one in about six minutes.
REPORTS = 100_000
CAN = "7"
TIMES = 20
PAGES = {
    "fleet, fullest": "/reports/",
    "fleet, silent": "/reports/?order=silent",
    "fleet, 300 cans": "/reports/?page_size=300",
    "fleet, filtered": "/reports/?stream=none-such",
    "overview": "/",
    "can": f"/reports/{CAN}",
    "chart, 24 hours": f"/reports/{CAN}/chart?range=24h&format=json",
    "chart, all": f"/reports/{CAN}/chart?range=all&format=json",
    "history": f"/reports/{CAN}/history",
}


def measure(deployment: Deployment) -> dict[str, dict[str, float]]:
    """Fill the store, then ask for each page some times. Raises BenchError where one is not answered by 200."""
    deployment.script("bench.prepare", _fleet(datetime.now(UTC)), ROWS["worker"].env)
    port = servers.free_port()
    with reading.serving("web", port, deployment) as pid:
        return ask(f"http://127.0.0.1:{port}", pid)


def ask(url: str, pid: int) -> dict[str, dict[str, float]]:
    """Return what each page costs the server whose process this is, once it has counted the fleet."""
    began = datetime.now(UTC).isoformat()
    for _ in range(200):
        counted, chart = (json.loads(get(url + path)) for path in ("/?format=json", PAGES["chart, all"]))
        # The count runs beside the requests that start it: 3 s of CPU that must not be measured with a page.
        if chart["complete"] and (counted["taken_at"] or "") > began:
            break
        time.sleep(0.5)
    else:
        raise BenchError("the fleet was not counted, or the chart not summed up")
    return {name: _cost(url + path, pid) for name, path in PAGES.items()}


def _cost(url: str, pid: int) -> dict[str, float]:
    size = len(gzip.compress(get(url)))
    tree, took = processes.tree(pid), []
    cpu = processes.cpu_s(tree)
    for _ in range(TIMES):
        started = time.perf_counter()
        get(url)
        took.append(time.perf_counter() - started)
    cpu = processes.cpu_s(tree) - cpu
    return {
        "cpu_ms": cpu / TIMES * 1000,
        "p50_ms": statistics.median(took) * 1000,
        "most_ms": max(took) * 1000,
        "kilobytes": size / 1000,
    }


def get(url: str) -> bytes:
    """Return a page, as a browser asks for it."""
    request = urllib.request.Request(url, headers={"Accept": "text/html, */*;q=0.1"})  # noqa: S310 - our own server
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return bytes(answer.read())


def _fleet(now: datetime) -> Iterator[str]:
    """Yield the past of one can, then a report of each."""
    chance = random.Random(11)
    for turn in range(REPORTS, 0, -1):
        at = now - timedelta(days=400) * turn / (REPORTS + 1)
        yield json.dumps({"can_id": CAN, "level": f"{turn * 7 % 9001 / 100}", "measured_at": at.isoformat()})
    for number in range(CANS):
        at = now - timedelta(minutes=chance.expovariate(1 / 120), days=3 * (number % 37 == 3))
        yield json.dumps(
            {
                "can_id": str(number),
                "level": f"{chance.betavariate(1.3, 1.9) * 100:.11f}",
                "measured_at": at.isoformat(),
                "stream": chance.choice(STREAMS),
                "location": {"lat": chance.gauss(50.08, 0.05), "lon": chance.gauss(14.43, 0.08)},
            }
        )
