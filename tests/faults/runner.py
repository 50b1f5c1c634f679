"""Some scenarios in turn, on servers, queues and one worker of their own: a process of its own."""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from stack.servers import Kind, start_both
from tests.faults.pipeline import Pipeline, provision
from tests.faults.results import PlannedRun, Results
from tests.faults.run import execute
from tests.faults.scenarios import SCENARIOS
from tests.support.servers import environment


def work(planned: Sequence[PlannedRun], code: str, kind: Kind) -> None:
    """Execute these runs, all with the same pool, on servers of this kind, and keep each result as it is done."""
    results = Results(code, kind)
    suffix = secrets.token_hex(4)
    with tempfile.TemporaryDirectory(prefix="faults-") as directory:
        sqs, dynamodb = start_both(Path(directory), kind=kind)
        os.environ.update(environment(sqs, dynamodb), TRASH_LOCAL="1", TRASH_SUFFIX=suffix)
        provision()
        pipeline = Pipeline(suffix, (sqs, dynamodb), Path(directory), kind=kind)
        try:
            for each in planned:
                _execute(each, pipeline, results)
        finally:
            pipeline.close()


def _execute(each: PlannedRun, pipeline: Pipeline, results: Results) -> None:
    scenario = SCENARIOS[each.scenario]
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
    if result.problems or scenario.starts:
        # Whatever state it is in, the next one begins afresh.
        pipeline.clear()
