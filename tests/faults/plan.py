"""Which scenarios are executed with which pools, and how often."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from stack.servers import Kind
from tests.faults.results import PlannedRun
from tests.faults.run import Scenario
from tests.faults.scenarios import SCENARIOS

POOLS = ("threads", "prefork", "solo")
TIMES = 3


def runs(*, every: bool, words: Sequence[str] = (), pool: str | None = None) -> Iterator[PlannedRun]:
    """
    Yield what is to be executed: in the core each scenario with threads and, in turn, prefork or solo.

    every: with all pools, three times. words: only scenarios whose name holds one of them.
    """
    for at, (name, scenario) in enumerate(SCENARIOS.items()):
        if words and not any(word in name for word in words):
            continue
        chosen = scenario.pools if every or pool else _core(scenario.pools, at)
        for number in range(1, (TIMES if every else 1) + 1):
            for each in chosen:
                if pool in (None, each):
                    yield PlannedRun(name, each, number)


def left_out(planned: Sequence[PlannedRun], kind: Kind) -> dict[str, str]:
    """Return the scenarios of these that are not for this machine or servers of this kind, each with the reason."""
    whys = {each.scenario: _why_not(SCENARIOS[each.scenario], kind) for each in planned}
    return {name: why for name, why in whys.items() if why}


def _why_not(scenario: Scenario, kind: Kind) -> str:
    return scenario.not_here or (scenario.not_on_java if kind == "java" else "")


def seconds(planned: PlannedRun) -> float:
    """Return about how long a run lasts."""
    return SCENARIOS[planned.scenario].seconds + 2


def _core(pools: tuple[str, ...], at: int) -> tuple[str, ...]:
    if len(pools) < len(POOLS):
        return pools
    return ("threads", ("prefork", "solo")[at % 2])
