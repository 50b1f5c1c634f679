"""
Prometheus beside `make run`: scrapes its worker and web server, and watches the project's alerts, until Ctrl-C.

From the environment: what `stack.settings` reads, and PROMETHEUS_PORT (9090). It stores in TRASH_DATA/prometheus.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from typing import Any

from stack.servers import LOOPBACK, StackError, is_free
from stack.settings import ROOT, Settings, port_of

RULES = ROOT / "deploy/prometheus/rules.yml"
DASHBOARD = "deploy/grafana/trashsite.json"


def configuration(settings: Settings) -> dict[str, Any]:
    """Return Prometheus's configuration for a local stack: JSON, which is YAML."""
    targets = {"trashsite-worker": settings.worker_metrics_port, "trashsite-web": settings.web_metrics_port}
    return {
        "global": {"scrape_interval": "5s", "evaluation_interval": "15s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [
            {"job_name": name, "static_configs": [{"targets": [f"{LOOPBACK}:{port}"]}]}
            for name, port in targets.items()
        ],
    }


def command(settings: Settings, port: int) -> list[str]:
    """
    Write the configuration and return the command that starts Prometheus.

    Raises StackError where Prometheus is not installed, or its port is taken.
    """
    program = shutil.which("prometheus")
    if not program:
        raise StackError(
            "Prometheus is not installed: `apt install prometheus` on Debian and Ubuntu, `brew install prometheus` on "
            "macOS. The page /pipeline/ shows the last hour without it."
        )
    if not is_free(port):
        raise StackError(f"Port {port} is taken by another program: make observe PROMETHEUS_PORT={port + 1}")
    folder = settings.data / "prometheus"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "prometheus.json"
    file.write_text(json.dumps(configuration(settings), indent=2))
    return [
        program,
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--storage.tsdb.retention.time=15d",
        f"--web.listen-address={LOOPBACK}:{port}",
        "--log.level=warn",
    ]


def main(environ: Mapping[str, str]) -> int:
    """Become Prometheus; return the exit status where that is not possible."""
    try:
        settings = Settings.from_environment(environ)
        port = port_of(environ, "PROMETHEUS_PORT", 9090)
        prometheus = command(settings, port)
    except StackError as error:
        print(f"make observe: {error}", file=sys.stderr)
        return 1
    site = f"http://localhost:{port}"
    question = "histogram_quantile(0.99,sum by (le)(rate(trashsite_report_age_seconds_bucket[5m])))"
    print(
        f"Prometheus   {site}/ (Ctrl-C stops it)\n"
        f"Targets      {site}/targets: is `make run` running?\n"
        f"Alerts       {site}/alerts: docs/runbook.md has a page for each\n"
        f"Try          {site}/graph?g0.expr={question.replace(' ', '+')}&g0.tab=0\n"
        f"Grafana      import {DASHBOARD}, and choose this Prometheus",
        flush=True,
    )
    os.execv(prometheus[0], prometheus)  # noqa: S606


if __name__ == "__main__":
    sys.exit(main(os.environ))
