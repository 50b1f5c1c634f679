"""`make faults`: breaks things, prints a table on stdout, and says on stderr how far it is."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import groupby

from stack.servers import Program
from tests.faults import plan, shift
from tests.faults.results import Results, Take, digest
from tests.faults.scenarios import SCENARIOS
from tests.faults.table import table
from tests.support.servers import ROOT

#: Side by side: most of the time a scenario waits.
LANES = 6


def shifts(takes: Sequence[Take], lanes: int) -> list[list[Take]]:
    """Share takes out: those of one pool together, in portions short enough to keep all lanes busy to the end."""
    total_s = sum(plan.seconds(take) for take in takes)
    most_s = max(60.0, min(180.0, total_s / lanes / 3))
    portions: list[list[Take]] = []
    for _, of_pool in groupby(sorted(takes, key=lambda take: take.pool), key=lambda take: take.pool):
        portion: list[Take] = []
        for take in sorted(of_pool, key=lambda take: list(SCENARIOS).index(take.scenario)):
            if portion and sum(map(plan.seconds, portion)) + plan.seconds(take) > most_s:
                portions.append(portion)
                portion = []
            portion.append(take)
        portions.append(portion)
    return sorted(portions, key=lambda portion: -sum(map(plan.seconds, portion)))


def run(portions: list[list[Take]], code: str, lanes: int) -> None:
    """Work the portions off, `lanes` at a time, each in a process that ends with this one."""
    running: list[subprocess.Popen[bytes]] = []
    try:
        while portions or running:
            while portions and len(running) < lanes:
                names = [str(take) for take in portions.pop(0)]
                program = Program([sys.executable, "-m", "tests.faults", "--shift", code, *names])
                running.append(subprocess.Popen(program.following(signal.SIGTERM), cwd=ROOT, stdin=subprocess.DEVNULL))
            time.sleep(0.2)
            running = [each for each in running if each.poll() is None]
    finally:
        for each in running:
            each.terminate()
        for each in running:
            each.wait()


def main() -> int:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--all", action="store_true", help="each fault with each pool, three times: hours")
    parser.add_argument("--only", nargs="+", default=[], metavar="WORD", help="scenarios whose name holds a word")
    parser.add_argument("--pool", choices=plan.POOLS, help="with this pool only")
    parser.add_argument("--lanes", type=int, default=LANES, help=f"scenarios side by side (default {LANES})")
    parser.add_argument("--fresh", action="store_true", help="keep nothing of an earlier run of the same code")
    parser.add_argument("--retry", action="store_true", help="play again what failed in an earlier run")
    parser.add_argument("--list", action="store_true", help="say what would be played")
    parser.add_argument("--shift", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    # An end by SIGTERM stops workers and servers as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if given.shift:
        code, *names = given.shift
        shift.work([Take.named(name) for name in names], code)
        return 0
    takes = list(plan.takes(every=given.all, words=given.only, pool=given.pool))
    if given.list:
        print("\n".join(map(str, takes)))
        return 0
    began = time.monotonic()
    code = digest()
    results = Results(code, fresh=given.fresh)
    kept = {take: results.row(take) for take in takes}
    left = [take for take, row in kept.items() if row is None or (given.retry and row.problems)]
    total_s = sum(map(plan.seconds, left))
    print(
        f"{len(left)} scenarios to play, about {total_s / given.lanes / 60:.0f} minutes; "
        f"{len(takes) - len(left)} of this code are kept in {results.directory}",
        file=sys.stderr,
    )
    run(shifts(left, given.lanes), code, given.lanes)
    rows = [(take, results.row(take)) for take in takes]
    print(table(rows))
    print(f"\n{len(takes)} scenarios, {(time.monotonic() - began) / 60:.1f} min")
    failed = [str(take) for take, row in rows if row is None or row.problems]
    for name in failed:
        print(f"FAILED {name}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("Stopped; finished scenarios are kept, and the same command goes on from there.", file=sys.stderr)
        sys.exit(130)
