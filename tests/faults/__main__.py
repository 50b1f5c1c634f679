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
from tests.faults import plan, runner
from tests.faults.pace import PACE
from tests.faults.report import table
from tests.faults.results import JUDGED, PlannedRun, Results
from tests.faults.scenarios import SCENARIOS
from tests.support.code_digest import code_digest
from tests.support.kind import KIND
from tests.support.servers import ROOT


def portions_of(planned: Sequence[PlannedRun], parallel: int) -> list[list[PlannedRun]]:
    """Split runs into portions: one pool each, short enough to keep all processes busy to the end."""
    total_s = sum(plan.seconds(each) for each in planned)
    most_s = max(60.0, min(180.0, total_s / parallel / 3))
    portions: list[list[PlannedRun]] = []
    for _, of_pool in groupby(sorted(planned, key=lambda each: each.pool), key=lambda each: each.pool):
        portion: list[PlannedRun] = []
        for each in sorted(of_pool, key=lambda each: list(SCENARIOS).index(each.scenario)):
            if portion and sum(map(plan.seconds, portion)) + plan.seconds(each) > most_s:
                portions.append(portion)
                portion = []
            portion.append(each)
        portions.append(portion)
    return sorted(portions, key=lambda portion: -sum(map(plan.seconds, portion)))


def run(portions: list[list[PlannedRun]], code: str, parallel: int) -> None:
    """Run the portions, `parallel` at a time, each in a process that ends with this one."""
    running: list[subprocess.Popen[bytes]] = []
    try:
        while portions or running:
            while portions and len(running) < parallel:
                names = [str(each) for each in portions.pop(0)]
                program = Program([sys.executable, "-m", "tests.faults", "--portion", code, *names])
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
    parser.add_argument(
        "--parallel", type=int, default=PACE.parallel, help=f"scenarios side by side (default {PACE.parallel})"
    )
    parser.add_argument("--fresh", action="store_true", help="keep nothing of an earlier run of the same code")
    parser.add_argument("--retry", action="store_true", help="play again what failed in an earlier run")
    parser.add_argument("--list", action="store_true", help="say what would be played")
    parser.add_argument("--portion", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    # An end by SIGTERM stops workers and servers as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if given.portion:
        code, *names = given.portion
        runner.work([PlannedRun.named(name) for name in names], code, KIND)
        return 0
    found = list(plan.runs(every=given.all, words=given.only, pool=given.pool))
    left_out = plan.left_out(found, KIND)
    planned = [each for each in found if each.scenario not in left_out]
    if given.list:
        print("\n".join(map(str, planned)))
        return 0
    began = time.monotonic()
    code = code_digest(JUDGED)
    results = Results(code, KIND, fresh=given.fresh)
    kept = {each: results.result(each) for each in planned}
    left = [each for each, result in kept.items() if result is None or (given.retry and result.problems)]
    total_s = sum(map(plan.seconds, left))
    print(
        f"{len(left)} scenarios to play, about {total_s / given.parallel / 60:.0f} minutes; "
        f"{len(planned) - len(left)} of this code are kept in {results.directory}",
        file=sys.stderr,
    )
    for name, why in left_out.items():
        print(f"left out  {name}: {why}", file=sys.stderr)
    run(portions_of(left, given.parallel), code, given.parallel)
    results_of = [(each, results.result(each)) for each in planned]
    print(table(results_of))
    failed = [str(each) for each, result in results_of if result is None or result.problems]
    print(
        f"\n{len(planned)} scenarios, {len(failed)} of them failed, {len(found) - len(planned)} left out; "
        f"{(time.monotonic() - began) / 60:.1f} min"
    )
    for name in failed:
        print(f"FAILED {name}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("Stopped; finished scenarios are kept, and the same command goes on from there.", file=sys.stderr)
        sys.exit(130)
