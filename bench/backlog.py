"""One run with a backlog: fill a queue, start the workers, and measure until the last message is deleted."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack

from bench import processes
from bench.cases import ROWS, Case
from bench.counts import DYNAMODB, SQS
from bench.deployment import STALLED_S, BenchError, Deployment, proxied
from bench.messages import Uplinks
from stack.servers import Server

#: One number a measure, by name; requests by operation are under `requests`.
Figures = dict[str, float]


def measure(case: Case, sqs: Server, dynamodb: Server, *, quiet_s: float = 0.0) -> Figures:
    """
    Process a fresh backlog and return what it took. Raises BenchError where a report is lost, or nothing happens.

    quiet_s: how long to wait, at most, until the machine is idle.
    Measuring starts when the workers are ready and may receive, and stops at the last delete: start-up is excluded.
    """
    row = ROWS[case.row]
    messages = row.messages.until_now(case.messages)
    with Deployment.fresh(sqs, dynamodb, row, messages.before()) as deployment, ExitStack() as stack:
        if isinstance(messages, Uplinks):
            deployment.script("bench.mount", messages.before().bodies(), row.env)
        deployment.publish(row, messages)
        consumed: dict[str, float] = {}
        ports = {"AWS_ENDPOINT_URL_SQS": sqs.port, "AWS_ENDPOINT_URL_DYNAMODB": dynamodb.port}
        if case.delay_ms:
            ports["AWS_ENDPOINT_URL_SQS"], _ = stack.enter_context(proxied(sqs, delay_ms=case.delay_ms))
        if case.delay_ms or case.capacity:
            ports["AWS_ENDPOINT_URL_DYNAMODB"], consumed = stack.enter_context(
                proxied(dynamodb, delay_ms=case.delay_ms, capacity=case.capacity)
            )
        more = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
        with deployment.workers(row, case.workers, **more) as workers:
            deployment.await_gate(workers)
            # The workers' first heartbeats, and what their start left to do.
            time.sleep(0.5)
            processes.wait_for_quiet(quiet_s)
            figures = _timed(case, deployment, [worker.pid for worker in workers])
            # The last delete was counted, its acks and log lines may follow.
            time.sleep(0.2)
        deployment.verify(row, messages)
        figures["errors"] = sum("ERROR" in line or "CRITICAL" in line for line in deployment.log().splitlines())
        stack.close()
        if case.capacity and not consumed["unknown"]:
            figures = {"write_units_per_report": consumed["write_units"] / case.messages}
    return figures


def _timed(case: Case, deployment: Deployment, pids: list[int]) -> Figures:
    tree = processes.tree(*pids)
    sqs, dynamodb = processes.tree(deployment.sqs.process.pid), processes.tree(deployment.dynamodb.process.pid)
    clocks = tree, sqs, dynamodb, processes.tree(os.getpid())
    counted = deployment.watch.total()
    machine, before = processes.busy_s(), [processes.cpu_s(pids) for pids in clocks]
    started = moved = time.perf_counter()
    deployment.watch.open_gate()
    done = 0
    while done < case.messages:
        time.sleep(0.005)
        last, done = done, deployment.watch.total()["deleted"]
        now = time.perf_counter()
        if done > last:
            moved = now
        elif now - moved > STALLED_S:
            raise BenchError(f"no message was deleted for {STALLED_S:.0f} s after {done} of {case.messages} messages")
    took = time.perf_counter() - started
    machine = processes.busy_s() - machine
    cpu, sqs_cpu, dynamodb_cpu, ours = (
        processes.cpu_s(pids) - since for pids, since in zip(clocks, before, strict=True)
    )
    counted = deployment.watch.total() - counted
    memory = [processes.peak_mb(pid) for pid in tree]
    count = case.messages
    return {
        "reports_per_s": count / took,
        "cpu_ms_per_report": cpu / count * 1000,
        "sqs_requests_per_report": sum(counted[name] for name in SQS) / count,
        "dynamodb_requests_per_report": sum(counted[name] for name in DYNAMODB) / count,
        "requests_per_report": sum(counted[name] for name in (*SQS, *DYNAMODB)) / count,
        "peak_mb": max(memory),
        "peak_mb_all_processes": sum(memory),
        "sqs_cpu_ms_per_report": sqs_cpu / count * 1000,
        "dynamodb_cpu_ms_per_report": dynamodb_cpu / count * 1000,
        # CPU used by other programs meanwhile, as a share of the machine: if it is large, reports_per_s is unreliable.
        "others_percent": max(0.0, machine - ours) / took / (os.cpu_count() or 1) * 100,
        "seconds": took,
        **{f"requests {name}": counted[name] / count for name in (*SQS, *DYNAMODB) if counted[name]},
    }
