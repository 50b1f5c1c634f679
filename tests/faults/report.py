"""The table of what became of every scenario."""

from __future__ import annotations

from collections.abc import Sequence

from tests.faults.results import PlannedRun
from tests.faults.run import Result

HEAD = (
    "fault", "pool", "sent", "stored", "outdated", "set aside", "twice", "lost", "executions",
    "recovered s", "log lines",
)  # fmt: skip

#: Members of a result that are summed up.
SUMMED = ("sent", "stored", "outdated", "set_aside", "twice", "lost")
#: Members of its notes.
COUNTED = ("restarts", "kills", "bodies", "met")


def table(runs: Sequence[tuple[PlannedRun, Result | None]]) -> str:
    """Return the results as text, with their sums; a scenario that was not run is named so."""
    cells = [list(HEAD)]
    for planned, result in runs:
        if result is None:
            cells.append([planned.scenario, planned.pool, "not run", *[""] * 8])
        else:
            cells.append([("! " if result.problems else "") + planned.scenario, planned.pool, *_figures([result])])
    results = [result for _, result in runs if result]
    cells.append(["all", "", *_figures(results)])
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
    counted = {name: sum(result.notes.get(name, 0) for result in results) for name in COUNTED}
    found.append(
        f"\n{counted['restarts']} restarts, {counted['kills']} of them by kill -9; {counted['bodies']} bodies of "
        f"poison; {counted['met']} requests met a fault"
    )
    found += [f"\n{planned}: {problem}" for planned, result in runs if result for problem in result.problems]
    return "\n".join(found)


def _figures(results: Sequence[Result]) -> list[str]:
    """Return the cells from `sent` on, summed up; the longest recovery, and the mean of executions a report."""
    sent = sum(each.sent for each in results)
    worked = sum(each.executions * each.sent for each in results)
    recoveries = [each.recovered_s for each in results]
    longest = max((each for each in recoveries if each is not None), default=None)
    return [
        *(str(sum(getattr(each, name) for each in results)) for name in SUMMED),
        f"{worked / max(1, sent):.3f}",
        "never" if longest is None else f"{longest:.1f}",
        str(sum(each.lines for each in results)),
    ]
