"""Writes each run's figures when it ends, so that an interrupted bench can be resumed."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable
from typing import Any

from bench.deployment import ROOT, BenchError
from tests.support.code_digest import code_digest

#: A run of other code than this is measured anew.
MEASURED = (
    "trashsite/**/*.py", "reports/**/*.py", "accounts/**/*.py", "bench/**/*.py", "tests/support/*.py",
    "stack/*.py", "stack/*.mjs",
    "stack/package-lock.json", "deploy/web.py", "requirements.txt", "bench/express/*.js*",
)  # fmt: skip


class Results:
    """The runs of one state of the code, a file each."""

    def __init__(self, *, fresh: bool) -> None:
        self.code = code_digest(MEASURED)
        self.directory = ROOT / "bench/results" / self.code
        if fresh:
            shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.failures: list[str] = []
        #: The key of the replay that was measured last.
        self.replayed = "replay"

    def run(self, key: str, number: int, measure: Callable[[], Any]) -> None:
        """Measure, unless this run's figures exist; one that fails is reported, and measured again next time."""
        path = self.directory / f"{key}.{number}.json"
        if path.exists():
            return
        started = time.monotonic()
        print(f"{key}, run {number}: ", end="", file=sys.stderr, flush=True)
        try:
            figures = measure()
        except BenchError as error:
            self.failures.append(f"{key}, run {number}: {error}")
            print(f"FAILED, {error}", file=sys.stderr)
            return
        path.write_text(json.dumps(figures, indent=1))
        shown = [f"{name} {figures[name]:.4g}" for name in SHOWN if name in figures]
        print(f"{', '.join(shown) or 'done'} ({time.monotonic() - started:.0f} s)", file=sys.stderr)

    def of(self, key: str) -> list[Any]:
        """Return the figures of each run of this name."""
        return [json.loads(path.read_text()) for path in sorted(self.directory.glob(f"{key}.[0-9]*.json"))]


#: What the progress line shows of a run.
SHOWN = (
    "reports_per_s", "cpu_ms_per_report", "requests_per_report", "write_units_per_report", "p50_ms", "p99_ms",
    "requests_per_s", "cpu_ms_per_request", "others_percent",
)  # fmt: skip
