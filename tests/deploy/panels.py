"""
Ask a real Prometheus each question of the dashboard: `python -m tests.deploy.panels http://localhost:9090`.

Prometheus must have scraped a stack that has worked for some minutes (`make run`, `make observe`). Prints each panel's
answers, and ends with status 1 where one has none.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from tests.support.servers import ROOT

DASHBOARD = json.loads((ROOT / "deploy/grafana/trashsite.json").read_text())
#: What Grafana puts in the place of its variables.
VARIABLES = {"$__rate_interval": "1m", "$__range": "15m"} | {
    f"${each['name']}": each["query"] for each in DASHBOARD["templating"]["list"] if each["type"] == "constant"
}


def expressions() -> Iterator[tuple[str, str]]:
    """Yield each panel's title and one of its expressions, as Grafana would send it."""
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            expression = target["expr"]
            for name, value in VARIABLES.items():
                expression = expression.replace(name, value)
            yield panel["title"], expression


def answers(prometheus: str, expression: str) -> list[dict[str, Any]]:
    """Return the series that Prometheus answers."""
    question = Request(f"{prometheus}/api/v1/query?{urlencode({'query': expression})}")  # noqa: S310
    with urlopen(question, timeout=30) as answer:  # noqa: S310
        found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    return found


def told(series: dict[str, Any]) -> str:
    labels = "/".join(value for name, value in sorted(series["metric"].items()) if name != "__name__")
    return f"{labels or 'value'} {float(series['value'][1]):.4g}"


def main(prometheus: str) -> int:
    silent = 0
    for title, expression in expressions():
        found = answers(prometheus, expression)
        silent += not found
        print(f"{title:<40} {', '.join(map(told, found[:6])) or 'NO ANSWER: ' + expression}")
    return int(silent > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
