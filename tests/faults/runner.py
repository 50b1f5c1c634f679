"""Some scenarios in turn, on servers, queues and workers of their own: a process of its own."""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from stack.servers import Kind, start_both
from tests.faults.load import Load, Mix
from tests.faults.pace import PACES, WARM, bound_s
from tests.faults.pipeline import Pipeline, provision
from tests.faults.results import PlannedRun, Results
from tests.faults.run import DRAIN_S, Scenario, execute
from tests.faults.scenarios import SCENARIOS
from tests.support.servers import environment
from trashsite import aws


class Place:
    """
    Where scenarios are played: a pipeline on new servers of one kind, and another one after each that ended badly.

    What a scenario leaves that did not end well, messages, letters or a dead server, must not be the next one's.
    suffix: TRASH_SUFFIX of this process. folder: of all files. warm: reports that new servers store before the first
    scenario, so that it meets them as the others do.
    """

    def __init__(self, suffix: str, folder: Path, kind: Kind, *, warm: int = 0) -> None:
        self._suffix, self._folder, self._kind, self._warm_by = suffix, folder, kind, warm
        self._made = 0
        self._pipeline: Pipeline | None = None

    def pipeline(self) -> Pipeline:
        """Return the pipeline of the next scenario."""
        self._pipeline = self._pipeline or self._new()
        return self._pipeline

    def _new(self) -> Pipeline:
        self._made += 1
        directory = self._folder / str(self._made)
        servers = start_both(directory, kind=self._kind)
        os.environ.update(environment(*servers))
        # Clients keep the addresses of the servers before.
        aws.forget()
        provision()
        made = Pipeline(self._suffix, servers, directory, kind=self._kind)
        if self._warm_by:
            _warm(made, self._warm_by)
        return made

    def play(self, scenario: Scenario, each: PlannedRun, results: Results) -> None:
        """Play a scenario, and keep and tell its result."""
        pipeline = self.pipeline()
        if scenario.starts:
            pipeline.clear()
        elif not pipeline.workers:
            pipeline.start("-P", each.pool).ready()
        running = {worker.log_path for worker in pipeline.workers}
        before = set(pipeline.directory.glob("worker-*.log"))
        result = execute(scenario, pipeline, each.pool, each.slug)
        if result.problems:
            results.keep_logs(each, sorted(running | set(pipeline.directory.glob("worker-*.log")) - before))
        results.keep(each, result)
        told = f"recovered in {result.recovered_s} s" if result.recovered_s is not None else "never recovered"
        print(
            f"{'FAILED' if result.problems else 'passed'}  {each}: {result.sent} sent, {result.stored} stored, {told} "
            f"({result.took_s:.0f} s)" + "".join(f"\n        {problem}" for problem in result.problems),
            file=sys.stderr, flush=True,
        )  # fmt: skip
        if result.problems:
            self.close()
        elif scenario.starts:
            pipeline.clear()

    def close(self) -> None:
        """End everything."""
        if self._pipeline:
            self._pipeline.close()
        self._pipeline = None


def work(planned: Sequence[PlannedRun], code: str, kind: Kind) -> None:
    """Execute these runs, all with the same pool, on servers of this kind, and keep each result as it is done."""
    results = Results(code, kind)
    suffix = secrets.token_hex(4)
    os.environ.update(TRASH_LOCAL="1", TRASH_SUFFIX=suffix)
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        place = Place(suffix, Path(folder), kind, warm=PACES[kind].warm)
        try:
            for each in planned:
                place.play(SCENARIOS[each.scenario], each, results)
        finally:
            place.close()


def _warm(pipeline: Pipeline, reports: int) -> None:
    load = Load(pipeline.queue, pipeline.url, WARM, Mix())
    pipeline.start("-P", "threads").ready()
    load.send(reports)
    pipeline.drain(bound_s(DRAIN_S))
    pipeline.clear()
