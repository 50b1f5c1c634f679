"""Visitors of the web server who never read, or never end what they send: what others notice, and what it leaves."""

from __future__ import annotations

import asyncio
import time
from contextlib import closing
from datetime import UTC, datetime

from tests.faults.load import Mix
from tests.faults.run import Run, Scenario
from tests.support.slow_clients import Phase, Target, attacked, credentials, held, phase

#: Their export has more than the kernel holds for its reader, since their ids are long.
CANS = [f"slow-{number:095d}" for number in range(3_000)]
BEFORE_S, ATTACK_S = 5.0, 15.0
#: Other scenarios keep the machine busy; python -m bench.slow_clients measures how soon visitors are answered.
PATIENCE_S = 30.0
#: What the server may hold more than before, so soon after the last request: threads end after half a minute to a
#: minute, and within another half free memory is given back. Of that some 20 MB stay with the interpreter
#: (2026-11-27). Of files one stays for each thread that there was, about a hundred at most: while one connection is
#: open, SQLite keeps those of the others for the next ones (of 31 connections 30 were closed: 31 files).
MORE_MB, MORE_FILES, WITHIN_S = 45.0, 100, 90.0


def slow_clients(run: Run) -> None:
    """Let 64 clients read no export, 64 end no body and 4,300 end no head, all at once."""
    run.start().ready()
    _fill()
    with closing(run.site()) as site:
        users = credentials(site.log_path.parent)
        asyncio.run(_attack(run, Target(site.process.pid, site.port, CANS, users, PATIENCE_S)))
        site.stop()
        run.expect("Unexpected exit" not in site.log, f"the web server died: {site.log[-300:]}")


async def _attack(run: Run, target: Target) -> None:
    before = await phase(target, BEFORE_S)
    during, attack = await attacked(target, ATTACK_S)
    for kind, took in during.visits.took_s.items():
        # A store that is too slow beside all that is an answer in order.
        failed = [error for error in during.visits.failed[kind] if "503" not in error]
        run.expect(took and not failed, f"{len(failed)} of {len(took)} requests, {kind}, failed: {failed[:1]}")
        run.result.notes[f"{kind} most s"] = round(max(took), 2)
    run.expect(attack["open at the end"] > 4_000, f"there were only {attack} slow connections")
    deadline = time.monotonic() + WITHIN_S
    while not _is_back(before, held(target.pid)) and time.monotonic() < deadline:
        await asyncio.sleep(1.0)
    mb, files = held(target.pid)
    run.result.notes |= {
        "MB": [round(before.mb), round(during.most_mb), round(mb)], "files": [before.files, during.most_files, files],
    }  # fmt: skip
    told = f"{before.mb:.0f} MB and {before.files} files before, {mb:.0f} and {files} afterwards"
    run.expect(_is_back(before, (mb, files)), f"the web server holds more than before: {told}")


def _is_back(before: Phase, now: tuple[float, int]) -> bool:
    return now[0] <= before.mb + MORE_MB and now[1] <= before.files + MORE_FILES


def _fill() -> None:
    from reports import store
    from reports.report import Report

    now = datetime.now(UTC)
    for first in range(0, len(CANS), 500):
        store.put_reports([Report(can_id, "12.345678901", now, now) for can_id in CANS[first : first + 500]], now=now)


def visitors() -> list[Scenario]:
    """Slow clients of all three kinds at once."""
    return [
        Scenario(
            "crowd: slow clients of the web server", slow_clients, starts=True, seconds=90, mix=Mix(rate=20),
            pools=("threads",),
            # On a busy machine the visitors leave the worker's requests to the local DynamoDB little.
            explained=("has been in a task for",),
        )
    ]  # fmt: skip
