"""Keeps each finished scenario, so that a suite that was interrupted goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.faults.scene import Row
from tests.support.servers import ROOT

#: A row of other code than this is played anew.
JUDGED = (
    "trashsite/**/*.py", "reports/**/*.py", "tests/faults/*.py", "tests/support/ledger.py", "stack/*.py", "stack/*.mjs",
    "stack/package-lock.json", "requirements.txt",
)  # fmt: skip


@dataclass(frozen=True, slots=True, order=True)
class Take:
    """One play of a scenario: its name, with which pool, for the how manyth time."""

    scenario: str
    pool: str
    number: int = 1

    def __str__(self) -> str:
        return f"{self.scenario}/{self.pool}/{self.number}"

    @classmethod
    def named(cls, name: str) -> Take:
        """Return the take that is called so."""
        scenario, pool, number = name.rsplit("/", 2)
        return cls(scenario, pool, int(number))

    @property
    def slug(self) -> str:
        """Its name as part of a path, or of a can's id."""
        return "".join(letter if letter.isalnum() else "-" for letter in str(self).lower())


def digest() -> str:
    """Return a short name for the code as it is now."""
    found = hashlib.sha256()
    for pattern in JUDGED:
        for path in sorted(ROOT.glob(pattern)):
            found.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return found.hexdigest()[:12]


class Results:
    """The rows of one state of the code, a file each, and the logs of those that failed."""

    def __init__(self, code: str, *, fresh: bool = False) -> None:
        self.directory = ROOT / "tests/faults/results" / code
        if fresh:
            shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True, exist_ok=True)

    def keep(self, take: Take, row: Row) -> None:
        """Keep a row, all of it or nothing."""
        path = self._path(take)
        path.with_suffix(".new").write_text(json.dumps(row.fields(), indent=1))
        path.with_suffix(".new").replace(path)

    def keep_logs(self, take: Take, logs: list[Path]) -> None:
        """Keep what the workers logged in a scenario that failed."""
        for log in logs:
            shutil.copy(log, self.directory / f"{take.slug}.{log.name}")

    def row(self, take: Take) -> Row | None:
        """Return what became of a take, None where it was not played."""
        path = self._path(take)
        return Row(**json.loads(path.read_text())) if path.exists() else None

    def _path(self, take: Take) -> Path:
        return self.directory / f"{take.slug}.json"
