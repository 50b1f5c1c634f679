"""A clock that tests turn, and a run of the simulator that talks to a list."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import OutputWrapper

from simulator.arguments import Arguments
from simulator.bookmark import Bookmark
from simulator.console import Console
from simulator.fleet import Fleet
from simulator.run import Run

#: A Tuesday.
NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)


@dataclass
class TurnedClock:
    """Time passes only while somebody sleeps; at `stop_at` Ctrl-C is pressed."""

    at: datetime = NOW
    stop_at: datetime = NOW + timedelta(days=1)

    def now(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        if self.at >= self.stop_at:
            raise KeyboardInterrupt


@dataclass
class Scene:
    """What a run works with here, and what came of it."""

    clock: TurnedClock = field(default_factory=TurnedClock)
    bodies: list[str] = field(default_factory=list)
    out: io.StringIO = field(default_factory=io.StringIO)
    err: io.StringIO = field(default_factory=io.StringIO)

    def publish(self, bodies: Sequence[str]) -> None:
        self.bodies += bodies

    def run(
        self,
        bookmark: Bookmark | None = None,
        publish: Callable[[Sequence[str]], object] | None = None,
        count_unstored: Callable[[], int] | None = None,
        **asked: Any,
    ) -> Run:
        arguments = Arguments(**asked)
        console = Console.for_run(arguments, OutputWrapper(self.out), OutputWrapper(self.err))
        return Run(arguments, publish or self.publish, self.clock, console, bookmark, count_unstored)

    def fleet(self, bookmark: Bookmark | None = None, **asked: Any) -> None:
        asked.setdefault("cans", 20)
        self.run(bookmark, **asked).fleet(Fleet(asked.get("seed", 1), asked["cans"]))

    @property
    def reports(self) -> list[dict[str, Any]]:
        """All reports in the order sent, out of their messages and arrays."""
        sent = [json.loads(body) for body in self.bodies]
        return [report for each in sent for report in (each if isinstance(each, list) else [each])]
