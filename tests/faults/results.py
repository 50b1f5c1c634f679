"""Keeps each finished scenario, so that a suite that was interrupted goes on where it stopped."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from stack.servers import Kind
from tests.faults.run import Result
from tests.support.servers import ROOT

FOLDER = ROOT / "tests/faults/results"
#: A result of other code than this is executed anew.
JUDGED = (
    "trashsite/**/*.py", "reports/**/*.py", "tests/faults/*.py", "tests/support/ledger.py", "stack/*.py", "stack/*.mjs",
    "stack/package-lock.json", "requirements.txt",
)  # fmt: skip


@dataclass(frozen=True, slots=True, order=True)
class PlannedRun:
    """One play of a scenario: its name, with which pool, for the how manyth time."""

    scenario: str
    pool: str
    number: int = 1

    def __str__(self) -> str:
        return f"{self.scenario}/{self.pool}/{self.number}"

    @classmethod
    def named(cls, name: str) -> PlannedRun:
        """Return the run of this name."""
        scenario, pool, number = name.rsplit("/", 2)
        return cls(scenario, pool, int(number))

    @property
    def slug(self) -> str:
        """Its name as part of a path, or of a can's id."""
        return "".join(letter if letter.isalnum() else "-" for letter in str(self).lower())


class Results:
    """The results of one state of the code on servers of one kind, a file each, and the logs of those that failed."""

    def __init__(self, code: str, kind: Kind, *, fresh: bool = False, folder: Path = FOLDER) -> None:
        self.directory = folder / (code if kind == "embedded" else f"{code}-{kind}")
        if fresh:
            shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True, exist_ok=True)

    def keep(self, planned: PlannedRun, result: Result) -> None:
        """Keep a result, all of it or nothing."""
        path = self._path(planned)
        path.with_suffix(".new").write_text(json.dumps(result.fields(), indent=1))
        path.with_suffix(".new").replace(path)

    def keep_logs(self, planned: PlannedRun, logs: list[Path]) -> None:
        """Keep what the workers logged in a scenario that failed."""
        for log in logs:
            shutil.copy(log, self.directory / f"{planned.slug}.{log.name}")

    def result(self, planned: PlannedRun) -> Result | None:
        """Return the result of a run, None where there is none."""
        path = self._path(planned)
        return Result(**json.loads(path.read_text())) if path.exists() else None

    def _path(self, planned: PlannedRun) -> Path:
        return self.directory / f"{planned.slug}.json"
