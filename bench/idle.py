"""What a worker costs while nothing is reported: requests and CPU in a minute."""

from __future__ import annotations

import time
from contextlib import ExitStack

from bench import processes
from bench.cases import ROWS
from bench.counts import DYNAMODB, SQS
from bench.messages import Messages
from bench.pipeline import Pipeline
from stack.servers import Server

SECONDS = 60
SETTLE_S = 5


def measure(names: list[str], sqs: Server, dynamodb: Server) -> dict[str, dict[str, float]]:
    """Let one worker of each row idle, all in the same minute, each on queues of its own."""
    before = Messages.until_now(1).before()
    with ExitStack() as stack:
        idling = {}
        for name in names:
            pipeline = stack.enter_context(Pipeline.fresh(sqs, dynamodb, ROWS[name], before))
            (worker,) = stack.enter_context(pipeline.workers(ROWS[name], 1))
            pipeline.watch.open_gate()
            pipeline.await_receive()
            idling[name] = pipeline, processes.tree(worker.pid)
        time.sleep(SETTLE_S)
        begun = {name: (pipeline.watch.total(), processes.cpu_s(tree)) for name, (pipeline, tree) in idling.items()}
        time.sleep(SECONDS)
        figures = {}
        for name, (pipeline, tree) in idling.items():
            counted, cpu = pipeline.watch.total() - begun[name][0], processes.cpu_s(tree) - begun[name][1]
            figures[name] = {
                "sqs_requests_per_minute": sum(counted[each] for each in SQS) * 60 / SECONDS,
                "dynamodb_requests_per_minute": sum(counted[each] for each in DYNAMODB) * 60 / SECONDS,
                "cpu_ms_per_minute": cpu * 1000 * 60 / SECONDS,
            }
        return figures
