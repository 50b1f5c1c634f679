"""
What reports cost at their true rhythm: stored one by one in the order of measurement, as they would come over months.

    python -m bench.replay [FILE]

FILE: a CSV as `manage.py simulate --replay` takes it; without one, a week of 200 simulated cans. Prints on stdout, as
JSON, what DynamoDB says that it took. A backlog costs less: several reports of a can are then one write of its row.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any

from bench import prices
from bench.deployment import ROOT, BenchError, Deployment

#: The simulated fleet's size, and the days that it reports.
CANS, DAYS = 200, 7
#: A report is stored so long after its measurement.
LATE = timedelta(seconds=2)


def measure(deployment: Deployment, file: str | None) -> dict[str, Any]:
    """Replay a file, or the simulated fleet, into the tables; return units and dollars. Raises BenchError."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.replay", *([file] if file else [])], cwd=ROOT, env=deployment.environ(),
        stdout=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise BenchError("the replay failed")
    return priced(json.loads(done.stdout))


def priced(taken: Mapping[str, Any]) -> dict[str, Any]:
    """Return figures a report, from what all took. Dollars are DynamoDB's alone: SQS depends on how fast they come."""
    count = taken["reports"]
    writes, reads = (sum(taken[kind].values()) / count for kind in ("writes", "reads"))
    return {
        "reports": count,
        "write_units_per_report": round(writes, 4),
        "read_units_per_report": round(reads, 4),
        "history_bytes_per_report": round(taken["history_bytes"] / count, 1),
        "dollars_per_million": round(1e6 * (writes * prices.WRITE_UNIT + reads * prices.READ_UNIT), 4),
        "units": {
            kind: {name: round(units / count, 4) for name, units in sorted(taken[kind].items())}
            for kind in ("writes", "reads")
        },
    }


def watched(suffix: str) -> Mapping[str, Counter[str]]:
    """Let DynamoDB tell what each request of this process takes, and add it up by table and index."""
    from trashsite.aws import Client

    taken: dict[str, Counter[str]] = {"writes": Counter(), "reads": Counter()}
    plain = Client.call

    def call(client: Any, operation: str, request: Any, **how: Any) -> Any:
        answer = plain(client, operation, {**request, "ReturnConsumedCapacity": "INDEXES"}, **how)
        units = taken["reads" if operation in {"BatchGetItem", "GetItem", "Query", "Scan"} else "writes"]
        told = answer.get("ConsumedCapacity") or []
        for each in told if isinstance(told, list) else [told]:
            indexes = {name: of["CapacityUnits"] for name, of in each.get("GlobalSecondaryIndexes", {}).items()}
            units.update(indexes)
            units[each["TableName"].removesuffix(f"-{suffix}")] += each["CapacityUnits"] - sum(indexes.values())
        return answer

    Client.call = call  # type: ignore[method-assign]
    return taken


def _kept_bytes(item: Mapping[str, Any]) -> int:
    """
    Return what DynamoDB bills for an item that it keeps.

    Source: AWS, DynamoDB item sizes and formats: names and texts in UTF-8, a byte for two digits of a number and one
    more; and 100 bytes for each item kept.
    """
    values = ((name, *value.popitem()) for name, value in item.items())
    return 100 + sum(
        len(name.encode()) + (len(text.encode()) if kind == "S" else 1 + (len(text) + 1) // 2)
        for name, kind, text in values
    )


def _reports(file: str | None) -> Iterator[Any]:
    """Yield the reports to replay, in the order of measurement."""
    if file:
        from simulator.replay import ReplayError, opened, reports

        try:
            with opened(file) as rows:
                yield from reports(rows, lambda: datetime.now(UTC))
        except ReplayError as error:
            sys.exit(f"{file}: {error}")
        return
    from reports.formats.native import parse
    from simulator.fleet import Fleet, Place
    from simulator.sending import of_measurement

    since = datetime(2026, 3, 2, tzinfo=UTC)
    measured = Fleet(size=CANS).measurements(Place(since))
    for each in takewhile(lambda each: each.measured_at < since + timedelta(days=DAYS), measured):
        yield parse(of_measurement(each).body, each.measured_at)[0]


def main(file: str | None) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trashsite.settings")
    import django

    django.setup()
    from reports import store
    from reports.store.keys import order_key
    from reports.store.report_items import history_item

    taken = watched(os.environ["TRASH_SUFFIX"])
    count = history_bytes = 0
    for report in _reports(file):
        history_bytes += _kept_bytes(history_item(replace(report, received_at=report.measured_at), order_key(report)))
        store.put_reports([report], now=report.measured_at + LATE)
        count += 1
        if count % 5_000 == 0:
            print(f"{count:,} reports", file=sys.stderr, flush=True)
    if not count:
        sys.exit("there is nothing to replay")
    print(json.dumps({"reports": count, "history_bytes": history_bytes, **taken}))


if __name__ == "__main__":
    main(*sys.argv[1:2] or (None,))
