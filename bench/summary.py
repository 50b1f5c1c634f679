"""Medians and spreads of what was measured, their comparison with the targets, and the table."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

from bench import cases, prices
from bench.cases import Case
from bench.results import Results

#: The table's columns: what a figure is called, its heading, its digits.
COLUMNS = (
    ("reports_per_s", "reports/s", 0),
    ("cpu_ms_per_report", "CPU ms", 3),
    ("sqs_requests_per_report", "SQS", 3),
    ("dynamodb_requests_per_report", "DynamoDB", 3),
    ("requests_per_report", "requests", 3),
    ("write_units_per_report", "write units", 2),
    ("peak_mb", "peak MB", 0),
    ("sqs_cpu_ms_per_report", "SQS's CPU", 3),
    ("dynamodb_cpu_ms_per_report", "DynamoDB's", 3),
    ("others_percent", "other CPU %", 0),
    ("runs", "runs", 0),
)
READ_COLUMNS = (
    ("requests_per_s", "requests/s", 0),
    ("cpu_ms_per_request", "CPU ms", 3),
    ("peak_mb_all_processes", "peak MB", 0),
    ("servers_cpu_ms_per_request", "servers' CPU ms", 3),
    ("runs", "runs", 0),
)
STEADY_COLUMNS = (
    ("p50_ms", "p50 ms", 0),
    ("p99_ms", "p99 ms", 0),
    ("cpu_ms_per_report", "CPU ms", 3),
    ("sqs_requests_per_report", "SQS", 3),
    ("dynamodb_requests_per_report", "DynamoDB", 3),
    ("write_units_per_report", "write units", 2),
    ("read_units_per_report", "read units", 2),
    ("runs", "runs", 0),
)
PAGE_COLUMNS = (
    ("cpu_ms", "CPU ms", 1),
    ("p50_ms", "p50 ms", 0),
    ("most_ms", "most ms", 0),
    ("kilobytes", "KB gzip", 1),
)
FLEET_COLUMNS = (
    ("cpu_s", "CPU s", 2),
    ("took_s", "s", 1),
    ("read_units", "read units", 0),
    ("extra_mb", "extra MB", 1),
)
FILE_COLUMNS = (
    ("lines", "lines", 0),
    ("megabytes", "MB", 1),
    ("took_s", "s", 1),
    ("silent_s", "most silent s", 2),
    ("cpu_s", "CPU s", 2),
)

Figures = dict[str, Any]


def median(runs: list[dict[str, float]]) -> Figures:
    """Return each figure's median over the runs, with the least and the most of it under `spread`."""
    if not runs:
        return {}
    names = [name for name in runs[0] if all(name in run for run in runs)]
    return {
        **{name: round(statistics.median(run[name] for run in runs), 4) for name in names},
        "spread": {
            name: [round(min(run[name] for run in runs), 4), round(max(run[name] for run in runs), 4)] for name in names
        },
        "runs": len(runs),
    }


def rows(results: Results, wanted: list[Case]) -> Figures:
    """Return the medians of some cases by their rows' names; of stock's two pools the faster one is `stock`."""
    measured = {case.row: figures for case in wanted if (figures := median(results.of(case.key)))}
    for case in cases.capacity():
        for figures in (of for row, of in measured.items() if row.partition("_prefork")[0] == case.row):
            figures |= {name: value for run in results.of(case.key) for name, value in run.items()}
    if "stock_prefork" in measured and "stock_threads" in measured:
        units = measured["stock_threads"].get("write_units_per_report")
        measured["stock_prefork"] |= {"write_units_per_report": units} if units is not None else {}
    stock = {name: measured.pop(name) for name in list(measured) if name.startswith("stock_")}
    if stock:
        best = max(stock, key=lambda name: stock[name]["reports_per_s"])
        measured["stock"] = {**stock[best], "pool": best.partition("_")[2]}
        measured |= {name: figures for name, figures in stock.items() if name != best}
    return measured


def summarise(results: Results) -> Figures:
    """Return all that was measured so far, by the names of the JSON answer."""
    every = {
        "rows": rows(results, cases.core()),
        "read": {name: figures for name in ("web", "express") if (figures := median(results.of(f"read-{name}")))},
        "java": rows(results, cases.java(every=True)),
        "backlog": _by(results, cases.backlogs(), "messages"),
        "workers": _by(results, cases.several(), "workers"),
        "late_8_ms": rows(results, cases.late()),
        "uplinks": rows(results, cases.uplinks()),
        "pools": rows(results, cases.pools()),
        "steady": {
            str(rate): measured
            for rate, names in cases.STEADY.items()
            if (measured := {row: f for row in names if (f := median(results.of(f"steady-{rate}-{row}")))})
        },
        "idle": {row: figures for run in results.of("idle") for row, figures in run.items()},
        "pages": {page: figures for run in results.of("pages") for page, figures in run.items()},
        "fleet": {f"{run['cans']:,} cans": run for run in results.of("fleet-*")},
        "replay": next(iter(results.of(results.replayed)), {}),
    }
    every["idle"] = {row.replace("stock_threads", "stock"): figures for row, figures in every["idle"].items()}
    every["dollars_per_million"] = {
        row: prices.dollars(figures, every["idle"].get(row.replace("no_history", "worker")))
        for row, figures in every["rows"].items()
    }
    every["dollars_at_a_steady_rate"] = {
        rate: _of_replayed(rows["worker"], every["replay"])
        for rate, rows in every["steady"].items()
        if "worker" in rows and every["replay"]
    }
    measured = {name: figures for name, figures in every.items() if figures}
    return {**measured, "prices": prices.QUOTED, "must_reach": targets(measured)}


def _of_replayed(steady: Figures, replay: Figures) -> Figures:
    """Return the dollars of a million reports that come at a steady rate and take the units of those replayed."""
    units = ("write_units_per_report", "read_units_per_report")
    return prices.dollars({**steady, **{name: replay[name] for name in units}})


def _by(results: Results, wanted: list[Case], what: str) -> Figures:
    measured: Figures = {}
    for case in wanted:
        if figures := median(results.of(case.key)):
            measured.setdefault(str(getattr(case, what)), {})[case.row] = figures
    return measured


def targets(measured: Mapping[str, Any]) -> list[Figures]:
    """Return each target and the measured figure, as far as it was measured."""
    every: list[Figures] = []

    def compare(what: str, ours: Any, limit: float, *, most: bool = True, of: Any = 1.0) -> None:
        if ours is not None and of is not None:
            ratio = ours / of
            every.append(
                {"what": what, "is": round(ratio, 3), "must": f"{'at most' if most else 'at least'} {limit:g}",
                 "reached": ratio <= limit if most else ratio >= limit}
            )  # fmt: skip

    def figure(*path: str) -> Any:
        at: Any = measured
        for name in path:
            at = at.get(name) if isinstance(at, Mapping) else None
        return at

    cpu, pace = "cpu_ms_per_report", "reports_per_s"
    our_cpu, our_pace = figure("rows", "worker", cpu), figure("rows", "worker", pace)
    compare("requests per report", figure("rows", "worker", "requests_per_report"), 0.31)
    compare("CPU of the loop's", our_cpu, 1.0, of=figure("rows", "loop", cpu))
    compare("throughput of the loop's", our_pace, 1.3, most=False, of=figure("rows", "loop", pace))
    compare("the same, answers 8 ms late", figure("late_8_ms", "worker", pace), 2.0, most=False,
            of=figure("late_8_ms", "loop", pace))  # fmt: skip
    compare("CPU of stock's", our_cpu, 0.1, of=figure("rows", "stock", cpu))
    compare("throughput of stock's", our_pace, 20, most=False, of=figure("rows", "stock", pace))
    compare("read: CPU of Express's", figure("read", "web", "cpu_ms_per_request"), 1.0,
            of=figure("read", "express", "cpu_ms_per_request"))  # fmt: skip
    compare("CPU of an uplink, of our own JSON's", figure("uplinks", "uplinks", cpu), 1.6,
            of=figure("uplinks", "own", cpu))  # fmt: skip
    steady = figure("steady", "120", "worker")
    if steady:
        compare("120/s: SQS requests a report", steady["sqs_requests_per_report"], 0.4)
        compare("120/s: CPU ms a report", steady["cpu_ms_per_report"], 0.6)
        compare("120/s: p99 ms until it can be read", steady["p99_ms"], 300)
    compare("120/s: USD a million replayed", figure("dollars_at_a_steady_rate", "120", "total"), 2.0)
    for page, figures in measured.get("pages", {}).items():
        if page.startswith("fleet"):
            compare(f"{page}: CPU ms", figures["cpu_ms"], 300)
    compare("CPU a report, 100,000 against 1,000", figure("backlog", "100000", "worker", cpu), 1.1,
            of=figure("backlog", "1000", "worker", cpu))  # fmt: skip
    compare("MB a process, 100,000", figure("backlog", "100000", "worker", "peak_mb"), 130)
    return every


# -- the table -------------------------------------------------------------------------------------------


def table(measured: Mapping[str, Any]) -> str:
    """Return everything as text for a terminal."""
    parts = []
    for name, title in (
        ("rows", "Backlog, one worker"),
        ("java", "The same on ElasticMQ and DynamoDB Local"),
        ("late_8_ms", "Servers that answer 8 ms late"),
        ("uplinks", "Our own JSON, and uplinks of bought sensors"),
        ("pools", "The worker's pools"),
    ):
        # The worker's own row alone is in the first table already.
        if name in measured and list(measured[name]) != ["worker"]:
            parts.append(_lines(title, measured[name], COLUMNS))
    for name, title in (("backlog", "Backlog of {} reports"), ("workers", "{} workers")):
        for each, figures in measured.get(name, {}).items():
            parts.append(_lines(title.format(f"{int(each):,}"), figures, COLUMNS))
    if "read" in measured:
        parts.append(_lines("GET /reports/<id>, one process", measured["read"], READ_COLUMNS))
    for rate, figures in measured.get("steady", {}).items():
        title = f"A steady {rate} report{'s' * (rate != '1')} a second; p50 and p99 from sent to readable"
        parts.append(_lines(title, figures, STEADY_COLUMNS))
    if "pages" in measured:
        parts.append(_lines("Pages of a large fleet, one process", measured["pages"], PAGE_COLUMNS))
    for cans, figures in measured.get("fleet", {}).items():
        work = {name: figures[name] for name in ("refresh", "walk")}
        parts.append(_lines(f"{cans}: the counts anew, and a walk", work, FLEET_COLUMNS))
        parts.append(_lines(f"{cans}: pages while they are counted", figures["pages"], PAGE_COLUMNS))
        parts.append(
            _lines(
                f"{cans}: files; the web process at most {figures['peak_mb']:.0f} MB", figures["files"], FILE_COLUMNS
            )
        )
    if "replay" in measured:
        columns = (
            ("reports", "reports", 0), ("write_units_per_report", "write units", 2),
            ("read_units_per_report", "read units", 2), ("dollars_per_million", "USD a million", 2),
        )  # fmt: skip
        title = "Stored one by one in the order of measurement; dollars of DynamoDB's units"
        parts.append(_lines(title, {"replay": measured["replay"]}, columns))
    if "idle" in measured:
        names = list(next(iter(measured["idle"].values())))
        parts.append(_lines("Idle", measured["idle"], tuple((name, name.replace("_", " "), 1) for name in names)))
    if measured.get("dollars_at_a_steady_rate"):
        every = measured["dollars_at_a_steady_rate"]
        names = list(next(iter(every.values())))
        title = f"Dollars for a million of the replayed reports, by reports/s ({measured['prices']})"
        parts.append(_lines(title, every, tuple((name, name.replace("_", " "), 2) for name in names)))
    if measured.get("dollars_per_million"):
        every = measured["dollars_per_million"]
        names = max((list(dollars) for dollars in every.values()), key=len)
        title = f"Dollars for a million reports, and a month's idling ({measured['prices']})"
        parts.append(_lines(title, every, tuple((name, name.replace("_", " "), 2) for name in names)))
    if measured["must_reach"]:
        lines = ["Must reach"]
        for each in measured["must_reach"]:
            lines.append(f"  {'yes' if each['reached'] else 'NO ':<4}{each['what']:<38}{each['is']:>9}  {each['must']}")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _lines(title: str, figures: Mapping[str, Any], columns: tuple[tuple[str, str, int], ...]) -> str:
    shown = [column for column in columns if any(column[0] in row for row in figures.values())]
    lines = [title, f"  {'':<15}" + "".join(f"{heading:>{_width(heading)}}" for _, heading, _ in shown)]
    for row, of in figures.items():
        cells = [f"{of[name]:,.{digits}f}" if of.get(name) is not None else "-" for name, _, digits in shown]
        lines.append(f"  {row:<15}" + "".join(f"{c:>{_width(h)}}" for c, (_, h, _) in zip(cells, shown, strict=True)))
    return "\n".join(lines)


def _width(heading: str) -> int:
    return max(10, len(heading) + 2)
