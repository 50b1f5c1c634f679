"""`make bench`: measures, prints a table on stdout, and its progress on stderr."""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from itertools import product
from pathlib import Path

from bench import backlog, cases, fleet, idle, pages, processes, reading, replay, steady, summary
from bench.cases import ROWS, Case
from bench.deployment import ROOT, BenchError, Deployment
from bench.messages import Messages
from bench.results import Results
from stack.servers import Kind, Server, StackError, start_both

#: In the order in which they run; the core first.
CORE = ("rows", "read", "java")
PARTS = (*CORE, "late", "uplinks", "pools", "workers", "backlog", "steady", "idle", "pages", "replay", "fleet")


@contextmanager
def local_servers(kind: Kind) -> Iterator[tuple[Server, Server]]:
    """Start SQS and DynamoDB on an empty directory; stop them at the end."""
    with tempfile.TemporaryDirectory(prefix="bench-servers-") as data:
        sqs, dynamodb = start_both(Path(data), kind=kind)
        try:
            yield sqs, dynamodb
        finally:
            sqs.kill()
            dynamodb.kill()


def measure_cases(results: Results, wanted: list[Case], runs: int, quiet_s: float) -> None:
    """Measure cases in turn, one run of each, then the next, so that all run under the same conditions."""
    kinds: set[Kind] = {case.kind for case in wanted}
    for kind in sorted(kinds):
        mine = [case for case in wanted if case.kind == kind]
        if all(len(results.of(case.key)) >= runs for case in mine):
            continue
        with local_servers(kind) as servers:
            if kind == "java":
                # A Java server is slow until its JVM has compiled the code that runs often.
                with suppress(BenchError):
                    backlog.measure(Case("loop", 2_000), *servers)
            for number, case in product(range(1, runs + 1), mine):
                results.run(case.key, number, partial(backlog.measure, case, *servers, quiet_s=quiet_s))


def measure_reading(results: Results, runs: int, quiet_s: float) -> None:
    """Measure the read path, the site and Express in turn."""
    if all(len(results.of(f"read-{name}")) >= runs for name in reading.SERVERS):
        return
    before = Messages.until_now(1).before()
    with local_servers("embedded") as servers, Deployment.fresh(*servers, ROWS["worker"], before) as deployment:
        for number, name in product(range(1, runs + 1), reading.SERVERS):
            results.run(f"read-{name}", number, partial(reading.measure, name, deployment, quiet_s=quiet_s))


def measure_steady(results: Results) -> None:
    """Measure what reports cost and how soon they can be read, at each rate of cases.STEADY."""
    with local_servers("embedded") as servers:
        for rate, names in cases.STEADY.items():
            for name in names:
                results.run(f"steady-{rate}-{name}", 1, partial(steady.measure, name, rate, *servers))


def measure_pages(results: Results) -> None:
    """Measure what each page costs where the fleet is large."""
    before = Messages.until_now(1).before()
    with local_servers("embedded") as servers, Deployment.fresh(*servers, ROWS["worker"], before) as deployment:
        results.run("pages", 1, partial(pages.measure, deployment))


def measure_replay(results: Results, file: str | None) -> None:
    """Measure what reports take of DynamoDB at their true rhythm."""
    key = f"replay-{zlib.crc32(Path(file).read_bytes()):08x}" if file else "replay"
    with (
        local_servers("embedded") as servers,
        Deployment.fresh(*servers, ROWS["worker"], Messages.until_now(0)) as deployment,
    ):
        results.run(key, 1, partial(replay.measure, deployment, file))
    results.replayed = key


def measure_fleet(results: Results, cans: int) -> None:
    """Measure what a fleet of so many cans costs."""
    with (
        local_servers("embedded") as servers,
        Deployment.fresh(*servers, ROWS["worker"], Messages.until_now(0)) as deployment,
    ):
        results.run(f"fleet-{cans}", 1, partial(fleet.measure, deployment, cans))


def measure(
    part: str, results: Results, runs: int, quiet_s: float, *, every: bool, file: str | None = None, cans: int
) -> None:
    """Measure one part."""
    match part:
        case "rows":
            measure_cases(results, cases.core(), runs, quiet_s)
            measure_cases(results, cases.capacity(), 1, 0)
        case "read":
            measure_reading(results, runs, quiet_s)
        case "java":
            measure_cases(results, cases.java(every=every), runs if every else 1, quiet_s)
        case "late":
            measure_cases(results, cases.late(), runs, quiet_s)
        case "uplinks":
            measure_cases(results, cases.uplinks(), runs, quiet_s)
        case "pools":
            measure_cases(results, cases.pools(), runs, quiet_s)
        case "workers":
            measure_cases(results, cases.several(), runs, quiet_s)
        case "backlog":
            measure_cases(results, cases.backlogs(), runs, quiet_s)
        case "steady":
            measure_steady(results)
        case "idle":
            with local_servers("embedded") as servers:
                results.run("idle", 1, partial(idle.measure, ["worker", "loop", "stock_threads"], *servers))
        case "pages":
            measure_pages(results)
        case "replay":
            measure_replay(results, file)
        case "fleet":
            measure_fleet(results, cans)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--all", action="store_true", help="measure all parts: about an hour")
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, metavar="PART", help=f"only these parts: {', '.join(PARTS)}"
    )
    parser.add_argument("--runs", type=int, default=3, help="runs of each, of which the median counts (default 3)")
    parser.add_argument(
        "--quiet",
        type=float,
        default=5,
        metavar="S",
        help="wait up to S seconds before each run until the machine is idle (default 5)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to this file")
    parser.add_argument("--fresh", action="store_true", help="discard the runs of an earlier bench of the same code")
    parser.add_argument(
        "--replay", metavar="FILE", help="the CSV that the part replay stores, instead of a week of a simulated fleet"
    )
    parser.add_argument(
        "--cans",
        type=int,
        default=fleet.CANS,
        help=f"cans of the part fleet (default {fleet.CANS:,}; a million takes long)",
    )
    given = parser.parse_args()
    if given.replay and not Path(given.replay).is_file():
        parser.error(f"{given.replay} is no file")
    # An end by SIGTERM stops the servers as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = time.monotonic()
    machine = processes.machine()
    results = Results(fresh=given.fresh)
    if kept := len(list(results.directory.glob("*.json"))):
        print(f"Continuing after {kept} runs of this code in {results.directory}", file=sys.stderr)
    for part in given.only or (PARTS if given.all else CORE):
        try:
            measure(part, results, given.runs, given.quiet, every=given.all, file=given.replay, cans=given.cans)
        except StackError as error:
            # No Java here: the rest can be measured.
            print(f"{part} is skipped: {error}", file=sys.stderr)
    measured = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "code": results.code,
        "commit": subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
        ).stdout.strip(),
        "machine": machine,
        "load_generator": reading.load_generator(),
        "failed": results.failures,
        **summary.summarise(results),
    }
    print(summary.table(measured))
    print(f"\n{machine['cpu']}, {machine['cores']} cores, load {machine['load_at_start']} at the start; "
          f"took {(time.monotonic() - started) / 60:.1f} min")  # fmt: skip
    if given.json:
        given.json.write_text(json.dumps(measured, indent=1) + "\n")
    for failure in results.failures:
        print(f"FAILED {failure}", file=sys.stderr)
    return 1 if results.failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("Stopped; finished runs are kept. Run the same command again to continue.", file=sys.stderr)
        sys.exit(130)
