"""One run of the read path: GET /reports/<id> for known cans, from one server process, and what a request costs it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bench import processes
from bench.deployment import ROOT, BenchError, Deployment, answering
from bench.messages import CANS
from stack import servers
from stack.services import services
from stack.settings import Settings

CONNECTIONS = 8
WARM_S, TIMED_S = 2, 8
SERVERS = ("web", "express")
EXPRESS = ROOT / "bench/express"


def load_generator() -> str:
    """Return which program sends the requests: wrk, or where it is missing the bench's own, which is slower."""
    return "wrk" if shutil.which("wrk") else "bench.load (wrk is not installed)"


def measure(name: str, deployment: Deployment, *, quiet_s: float = 0.0) -> dict[str, float]:
    """Send requests to a server for some seconds. Raises BenchError where it does not answer each with 200."""
    port = servers.free_port()
    with serving(name, port, deployment) as pid:
        url = f"http://127.0.0.1:{port}"
        _send(url, WARM_S)
        processes.wait_for_quiet(quiet_s)
        # A server may start its workers late.
        tree = processes.tree(pid)
        store = [deployment.dynamodb.process.pid]
        cpu, store_cpu = processes.cpu_s(tree), processes.cpu_s(processes.tree(*store))
        requests, took = _send(url, TIMED_S)
        cpu = processes.cpu_s(tree) - cpu
        store_cpu = processes.cpu_s(processes.tree(*store)) - store_cpu
        return {
            "requests_per_s": requests / took,
            "cpu_ms_per_request": cpu / requests * 1000,
            "servers_cpu_ms_per_request": store_cpu / requests * 1000,
            "peak_mb": max(map(processes.peak_mb, tree)),
            "peak_mb_all_processes": sum(map(processes.peak_mb, tree)),
            "processes": len(tree),
        }


@contextmanager
def serving(name: str, port: int, deployment: Deployment) -> Iterator[int]:
    """Start one process of a server, the site by the command of production, and yield its process id."""
    environ = deployment.environ(
        PORT=str(port),
        NODE_ENV="production",
        TRASH_DATA=str(deployment.scratch),
        # Counted, as in production, but never reached.
        TRASH_READ_RATE="900000000/min",
    )
    if name == "web":
        settings = Settings.from_environment({"PORT": str(port), "TRASH_DATA": str(deployment.scratch)})
        (program,) = [service.program for service in services(settings) if service.name == "web"]
        command, environ = [*program.argv, "--pin"], environ | dict(program.env)
        # Without its tables the database would count as out of reach, and not be asked for facts.
        subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=environ, check=True)
    else:
        if not (EXPRESS / "node_modules").is_dir():
            raise BenchError("Express is not installed; run `make bench`, which installs it")
        command = [str(servers.node()), "service.js"]
    log = deployment.scratch / f"{name}.log"
    with answering(command, port, log, environ, ROOT if name == "web" else EXPRESS) as pid:
        yield pid


def _send(url: str, seconds: int) -> tuple[int, float]:
    """Ask for cans at random over a few connections; return how many answers came, in how many seconds."""
    options = ["-c", str(CONNECTIONS), "-d", f"{seconds}s"]
    if shutil.which("wrk"):
        command = ["wrk", "-t", "1", *options, "-s", str(ROOT / "bench/cans.lua"), url]
    else:
        command = [sys.executable, "-m", "bench.load", *options, url]
    said = subprocess.run([*command, "--", str(CANS)], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    match = re.search(r"(\d+) requests in ([\d.]+)(ms|s|m)", said)
    if not match or "Non-2xx" in said or "Socket errors" in said:
        raise BenchError(f"not every request was answered: {said.strip()}")
    return int(match[1]), float(match[2]) * {"ms": 0.001, "s": 1.0, "m": 60.0}[match[3]]
