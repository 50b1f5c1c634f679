"""A shift: some scenarios in turn, on servers, queues and one worker of their own. A process of its own."""

from __future__ import annotations

import logging
import os
import secrets
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from stack.servers import start_both
from tests.faults.pipeline import Pipeline
from tests.faults.results import Results, Take
from tests.faults.scenarios import SCENARIOS
from tests.faults.scene import play
from tests.support.servers import environment


def work(takes: Sequence[Take], code: str) -> None:
    """Play these takes, all with the same pool, and keep each row as it is done."""
    results = Results(code)
    suffix = secrets.token_hex(4)
    with tempfile.TemporaryDirectory(prefix="faults-") as directory:
        sqs, dynamodb = start_both(Path(directory))
        os.environ.update(environment(sqs, dynamodb), TRASH_LOCAL="1", TRASH_SUFFIX=suffix)
        _provision()
        pipeline = Pipeline(suffix, (sqs, dynamodb), Path(directory))
        try:
            for take in takes:
                _play(take, pipeline, results)
        finally:
            pipeline.close()


def _provision() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trashsite.settings")
    django.setup()
    # Its word on each 503, which scenarios bring about.
    logging.getLogger("django.request").setLevel(logging.CRITICAL)
    from reports import queue, store

    list(queue.provision())
    list(store.provision())


def _play(take: Take, pipeline: Pipeline, results: Results) -> None:
    scenario = SCENARIOS[take.scenario]
    if scenario.starts:
        pipeline.clear()
    elif not pipeline.workers:
        pipeline.start("-P", take.pool).ready()
    running = {worker.log_path for worker in pipeline.workers}
    before = set(pipeline.directory.glob("worker-*.log"))
    row = play(scenario, pipeline, take.pool, take.slug)
    if row.problems:
        results.keep_logs(take, sorted(running | set(pipeline.directory.glob("worker-*.log")) - before))
    results.keep(take, row)
    told = f"recovered in {row.recovered_s} s" if row.recovered_s is not None else "never recovered"
    print(
        f"{'FAILED' if row.problems else 'passed'}  {take}: {row.sent} sent, {row.stored} stored, {told} "
        f"({row.took_s:.0f} s)" + "".join(f"\n        {problem}" for problem in row.problems),
        file=sys.stderr, flush=True,
    )  # fmt: skip
    if row.problems or scenario.starts:
        # Whatever state it is in, the next one begins afresh.
        pipeline.clear()
