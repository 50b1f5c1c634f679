"""The table of what became of every scenario."""

from __future__ import annotations

from collections.abc import Sequence

from tests.faults.results import Take
from tests.faults.scene import Row

HEAD = (
    "fault", "pool", "sent", "stored", "stale", "set aside", "twice", "lost", "executions", "recovered s", "log lines",
)  # fmt: skip


def table(rows: Sequence[tuple[Take, Row | None]]) -> str:
    """Return the rows as text, with their sums; a scenario that was not played is called so."""
    cells = [list(HEAD)]
    for take, row in rows:
        if row is None:
            cells.append([take.scenario, take.pool, "not played", *[""] * 8])
            continue
        recovered = "never" if row.recovered_s is None else f"{row.recovered_s:.1f}"
        cells.append(
            [
                ("! " if row.problems else "") + take.scenario, take.pool, str(row.sent), str(row.stored),
                str(row.stale), str(row.set_aside), str(row.twice), str(row.lost), f"{row.executions:.3f}",
                recovered, str(row.lines),
            ]
        )  # fmt: skip
    played = [row for _, row in rows if row]
    sent = sum(row.sent for row in played)
    cells.append(
        [
            "all", "", str(sent), str(sum(row.stored for row in played)), str(sum(row.stale for row in played)),
            str(sum(row.set_aside for row in played)), str(sum(row.twice for row in played)),
            str(sum(row.lost for row in played)),
            f"{sum(row.executions * row.sent for row in played) / max(1, sent):.3f}",
            f"{max((row.recovered_s or 0 for row in played), default=0):.1f}", str(sum(row.lines for row in played)),
        ]
    )  # fmt: skip
    widths = [max(len(line[at]) for line in cells) for at in range(len(HEAD))]
    lines = [
        "  ".join(
            cell.ljust(width) if at < 2 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in cells
    ]
    rule = "-" * len(lines[0])
    found = [lines[0], rule, *lines[1:-1], rule, lines[-1]]
    counted = {name: sum(row.notes.get(name, 0) for row in played) for name in ("restarts", "kills", "bodies", "met")}
    found.append(
        f"\n{counted['restarts']} restarts, {counted['kills']} of them by kill -9; {counted['bodies']} bodies of "
        f"poison; {counted['met']} requests met a fault"
    )
    found += [f"\n{take}: {problem}" for take, row in rows if row for problem in row.problems]
    return "\n".join(found)
