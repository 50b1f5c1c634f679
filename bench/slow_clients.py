"""
What visitors notice while others never read, never end a body and never end a head: `python -m bench.slow_clients`.

    python -m bench.slow_clients --seconds 60                 the web server of this tree
    python -m bench.slow_clients --seconds 60 --tree FOLDER   that of another one, as an older revision

Who these clients are stands in tests/support/slow_clients.py; `make faults` plays a short one. Prints a table: for each
kind of request of the others, how many were answered and how soon, and what the server's processes held, before, during
and after. Fails where a minute and a half after the attack they hold a fifth more memory than before it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from bench.__main__ import local_servers
from bench.cases import ROWS
from bench.deployment import ROOT, BenchError, Deployment, answering
from bench.messages import Messages
from stack import servers
from tests.support.slow_clients import Target, attacked, credentials, held, phase

#: Their export has 2.4 MB, since their ids are long.
CANS = [f"{number:0100d}" for number in range(12_000)]
#: After the attack: the server's threads end half a minute after their last request, with what they hold, and within
#: another half what is free is given back.
REST_S = 90.0
MOST_KEPT = 1.2


async def measure(target: Target, seconds: float) -> dict[str, object]:
    """Be visitors before, during and after the attack; return all figures."""
    before = await phase(target, 15)
    print("before: done", file=sys.stderr)
    during, attack = await attacked(target, seconds)
    print("during: done", file=sys.stderr)
    await asyncio.sleep(REST_S)
    rested_mb, _ = held(target.pid)
    after = await phase(target, 15)
    return {
        "before": before.figures(), "during": during.figures(), "after": after.figures(), "attack": attack,
        "rested_mb": round(rested_mb), "is_back": rested_mb <= MOST_KEPT * before.mb,
    }  # fmt: skip


def table(figures: dict[str, object]) -> str:
    """Return the figures for people."""
    lines = [f"{'':20} {'':8} {'asked':>6} {'failed':>6} {'p50 s':>8} {'p99 s':>8}"]
    for name in ("before", "during", "after"):
        phase: dict[str, object] = figures[name]  # type: ignore[assignment]
        requests: dict[str, dict[str, object]] = phase["requests"]  # type: ignore[assignment]
        lines += [
            f"{kind:20} {name:8} {each['asked']:>6} {each['failed']:>6} {each['p50_s']:>8} {each['p99_s']:>8}"
            for kind, each in requests.items()
        ]
        lines.append(
            f"{'server':20} {name:8} at most {phase['most_mb']} MB and {phase['most_files']} files, at the end "
            f"{phase['mb']} MB and {phase['files']} files; {phase['cpu_s']} s of CPU"
        )
    rested = f"{REST_S:.0f} s after the attack: {figures['rested_mb']} MB"
    return "\n".join([*lines, f"attack: {figures['attack']}", rested if figures["is_back"] else f"{rested}, too many"])


def fill(deployment: Deployment, some: int = 1000) -> None:
    """Store a report of each can, some at a time: on a busy machine a request more could take too long."""
    at = datetime.now(UTC).isoformat()
    for first in range(0, len(CANS), some):
        bodies = [
            json.dumps({"can_id": can_id, "level": "12.345678901", "measured_at": at})
            for can_id in CANS[first : first + some]
        ]
        for _ in range(5):
            with suppress(BenchError):
                deployment.script("bench.prepare", iter(bodies), ROWS["worker"].env)
                break
        else:
            raise BenchError("the cans could not be stored")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="for how long the slow clients are there")
    parser.add_argument("--tree", type=Path, default=ROOT, help="whose deploy/web.py is measured")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    given = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with (
        local_servers("embedded") as both,
        Deployment.fresh(*both, ROWS["worker"], Messages.until_now(1).before()) as deployment,
    ):
        fill(deployment)
        environ = deployment.environ(TRASH_DATA=str(deployment.scratch), TRASH_READ_RATE="", TRASH_POST_RATE="",
                                   TRASH_LOGIN_RATE="")  # fmt: skip
        subprocess.run([sys.executable, "-m", "stack.prepare"], cwd=ROOT, env=environ, check=True, stdout=sys.stderr)
        # The soft limit that a shell gives: the server raises its own.
        port, log = servers.free_port(), deployment.scratch / "web.log"
        command = [sys.executable, "deploy/web.py", "--port", str(port)]
        with answering(command, port, log, environ, given.tree.absolute()) as pid:
            target = Target(pid, port, CANS, credentials(deployment.scratch))
            figures = asyncio.run(measure(target, given.seconds))
        print(table(figures))
        if written := log.read_text(errors="replace").strip():
            print(f"The server wrote {len(written.splitlines())} lines; the last: {written.splitlines()[-1][:200]}")
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0 if figures["is_back"] else 1


if __name__ == "__main__":
    sys.exit(main())
