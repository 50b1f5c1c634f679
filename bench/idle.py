"""What a worker costs while nothing is reported: requests and CPU in a minute."""

from __future__ import annotations

import time
from contextlib import ExitStack

from bench import processes
from bench.cases import ROWS
from bench.counts import DYNAMODB, SQS
from bench.deployment import Deployment
from bench.messages import Messages
from stack.servers import Server

SECONDS = 60
SETTLE_S = 5


def measure(names: list[str], sqs: Server, dynamodb: Server) -> dict[str, dict[str, float]]:
    """Measure one idle worker of each row, all in the same minute, each with queues of its own."""
    before = Messages.until_now(1).before()
    with ExitStack() as stack:
        idling = {}
        for name in names:
            deployment = stack.enter_context(Deployment.fresh(sqs, dynamodb, ROWS[name], before))
            (worker,) = stack.enter_context(deployment.workers(ROWS[name], 1))
            deployment.watch.open_gate()
            deployment.await_receive()
            idling[name] = deployment, processes.tree(worker.pid)
        time.sleep(SETTLE_S)
        begun = {name: (deployment.watch.total(), processes.cpu_s(tree)) for name, (deployment, tree) in idling.items()}
        time.sleep(SECONDS)
        figures = {}
        for name, (deployment, tree) in idling.items():
            counted, cpu = deployment.watch.total() - begun[name][0], processes.cpu_s(tree) - begun[name][1]
            figures[name] = {
                "sqs_requests_per_minute": sum(counted[each] for each in SQS) * 60 / SECONDS,
                "dynamodb_requests_per_minute": sum(counted[each] for each in DYNAMODB) * 60 / SECONDS,
                "cpu_ms_per_minute": cpu * 1000 * 60 / SECONDS,
            }
        return figures
