"""
Ask a real Prometheus each question of the dashboard: `python -m tests.deploy.panels http://localhost:9090`.

Prometheus must have scraped a stack that has worked for some minutes (`make run`, `make observe`). Prints each panel's
answers, and ends with status 1 where one has none. With a file's name besides, it draws what Prometheus answers about
the last five minutes, panel by panel, as an SVG: a picture of the dashboard where there is no Grafana.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from tests.support.servers import ROOT

DASHBOARD = json.loads((ROOT / "deploy/grafana/trashsite.json").read_text())
#: What Grafana puts in the place of its variables.
VARIABLES = {"$__rate_interval": "1m", "$__range": "15m"} | {
    f"${each['name']}": each["query"] for each in DASHBOARD["templating"]["list"] if each["type"] == "constant"
}
#: Of a picture: seconds in all, and between two points; the width of one of the dashboard's 24 columns, a row's height.
RANGE_S, STEP_S, COLUMN, ROW = 300, 5, 50, 24
UNITS = {"s": "s", "reqps": "a second", "Bps": "bytes/s", "currencyUSD": "USD"}
COLOURS = ("#2f6fb3", "#b3662a", "#2f7d6b", "#b03a5b", "#7a5ea8", "#777777")


def expressions() -> Iterator[tuple[str, str]]:
    """Yield each panel's title and one of its expressions, as Grafana would send it."""
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], asked(target)


def asked(target: Mapping[str, Any]) -> str:
    """Return a target's expression as Grafana would send it."""
    expression: str = target["expr"]
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return expression


def answers(prometheus: str, expression: str) -> list[dict[str, Any]]:
    """Return the series that Prometheus answers."""
    return _asked(prometheus, "query", query=expression)


def _asked(prometheus: str, how: str, **question: str | float) -> list[dict[str, Any]]:
    request = Request(f"{prometheus}/api/v1/{how}?{urlencode(question)}")  # noqa: S310
    with urlopen(request, timeout=30) as answer:  # noqa: S310
        found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    return found


def told(series: dict[str, Any]) -> str:
    labels = "/".join(value for name, value in sorted(series["metric"].items()) if name != "__name__")
    return f"{labels or 'value'} {float(series['value'][1]):.4g}"


# -- as a picture ----------------------------------------------------------------------------------------------------


def picture(prometheus: str) -> str:
    """Return the dashboard as an SVG, each panel in its place, with what Prometheus answers about the last minutes."""
    end_s = time.time()
    drawn = [_panel(panel, prometheus, end_s) for panel in DASHBOARD["panels"]]
    height = ROW * max(each["gridPos"]["y"] + each["gridPos"]["h"] for each in DASHBOARD["panels"])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {24 * COLUMN} {height}" font-family="sans-serif" '
        f'font-size="11"><rect width="100%" height="100%" fill="#fff"/>\n{chr(10).join(drawn)}\n</svg>\n'
    )


def _panel(panel: Mapping[str, Any], prometheus: str, end_s: float) -> str:
    at = panel["gridPos"]
    x, y, width, height = at["x"] * COLUMN, at["y"] * ROW, at["w"] * COLUMN, at["h"] * ROW
    title = f'<text x="{x + 8}" y="{y + 17}" font-weight="bold">{escape(panel["title"])}</text>'
    if panel["type"] == "row":
        return title
    lines = [
        (_name(target.get("legendFormat", ""), each["metric"]), [(float(t), float(v)) for t, v in each["values"]])
        for target in panel["targets"]
        for each in _asked(
            prometheus, "query_range", query=asked(target), start=end_s - RANGE_S, end=end_s, step=STEP_S
        )
    ]
    frame = f'<rect x="{x + 2}" y="{y + 2}" width="{width - 4}" height="{height - 4}" fill="none" stroke="#ccc"/>'
    unit = panel["fieldConfig"]["defaults"].get("unit", "")
    inside = _numbers(lines, x, y, unit) if panel["type"] == "stat" else _chart(lines, x, y, width, height, unit, end_s)
    return frame + title + inside


_Lines = Sequence[tuple[str, Sequence[tuple[float, float]]]]


def _numbers(lines: _Lines, x: int, y: int, unit: str) -> str:
    size = 22 if len(lines) < 2 else 13
    texts = [escape(f"{name} {_figure(values[-1][1], unit)}") for name, values in lines]
    return "".join(
        f'<text x="{x + 10}" y="{y + 48 + 18 * at}" font-size="{size}">{text}</text>' for at, text in enumerate(texts)
    )


def _chart(lines: _Lines, x: int, y: int, width: int, height: int, unit: str, end_s: float) -> str:
    most = max((value for _, values in lines for _, value in values if value == value), default=0.0) or 1.0
    left, top, wide, high = x + 8, y + 34, width - 16, height - 70
    parts = [f'<text x="{left}" y="{top - 3}" fill="#666">{_figure(most, unit)}</text>',
             f'<path d="M{left} {top}h{wide}M{left} {top + high}h{wide}" stroke="#ddd"/>']  # fmt: skip
    for at, (_, values) in enumerate(lines):
        points = " ".join(
            f"{left + wide * (1 - (end_s - t) / RANGE_S):.0f},{top + high * (1 - value / most):.1f}"
            for t, value in values if value == value
        )  # fmt: skip
        colour = COLOURS[at % len(COLOURS)]
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
    below = f'x="{left}" y="{y + height - 14}" font-size="9" xml:space="preserve"'
    parts.append(f"<text {below}>{_legend(lines, wide)}</text>")
    return "".join(parts)


def _legend(lines: _Lines, width: int) -> str:
    """Return the names of as many lines as there is room for, and how many are left out."""
    shown, left = 0, width // 5 - 12
    while shown < len(lines) and (left := left - len(lines[shown][0]) - 2) >= 0:
        shown += 1
    names = (
        f'<tspan fill="{COLOURS[at % len(COLOURS)]}">{escape(name)}  </tspan>'
        for at, (name, _) in enumerate(lines[:shown])
    )
    more = f'<tspan fill="#666">and {len(lines) - shown} more</tspan>' if shown < len(lines) else ""
    return "".join(names) + more


def _name(pattern: str, labels: Mapping[str, str]) -> str:
    return re.sub(r"{{(\w+)}}", lambda found: labels.get(found[1], ""), pattern)


def _figure(value: float, unit: str) -> str:
    if value != value:
        return "none"
    if unit == "percentunit":
        return f"{100 * value:.4g} %"
    return f"{value:,.4g} {UNITS.get(unit, '')}".strip()


def main(prometheus: str, file: str = "") -> int:
    silent = 0
    for title, expression in expressions():
        found = answers(prometheus, expression)
        silent += not found
        print(f"{title:<40} {', '.join(map(told, found[:6])) or 'NO ANSWER: ' + expression}")
    if file:
        Path(file).write_text(picture(prometheus))
    return int(silent > 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
