"""The output of a run: a line a report, a progress bar, or for a long past a line every few seconds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import Enum
from time import monotonic
from typing import Any, Self

from django.core.management.base import OutputWrapper
from tqdm import tqdm

from reports.report import iso
from simulator.arguments import Arguments
from simulator.sending import Sending

EVERY_S = 5.0


class Show(Enum):
    """How a run shows its reports."""

    LINES = "the lab's line for each"
    #: The past may have tens of thousands of reports.
    BRIEFLY = "a line every few seconds for the past, then the lab's line for each"
    BAR = "a bar"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run sent. last_at: the time of the latest report. interrupted: stopped before its end."""

    published: int
    last_at: datetime | None
    interrupted: bool


class Console:
    """Data on stdout, progress on stderr."""

    def __init__(self, stdout: OutputWrapper, stderr: OutputWrapper, show: Show) -> None:
        self.stdout = stdout
        self.stderr = stderr
        self.show = show
        self._published = 0
        self._bar: tqdm[Any] | None = None
        self._past_until: datetime | None = None
        self._about = 0
        self._began = self._said = monotonic()

    @classmethod
    def for_run(cls, asked: Arguments, stdout: OutputWrapper, stderr: OutputWrapper) -> Self:
        """Return a console for these arguments; a bar is shown only on a terminal."""
        if asked.json:
            show = Show.NOTHING
        elif stdout.isatty() and stderr.isatty() and not asked.lab_format:
            show = Show.BAR
        else:
            show = Show.LINES if asked.in_full else Show.BRIEFLY
        return cls(stdout, stderr, show)

    def begin(self, text: str, *, past_until: datetime, about: int) -> None:
        """
        Show that a run begins.

        past_until: what was measured earlier is the past. about: how many reports are expected, 0: unknown.
        """
        self.say(text)
        self._past_until, self._about = past_until, about
        self._began = self._said = monotonic()
        if self.show is Show.BAR:
            self._bar = tqdm(total=about or None, unit=" reports", dynamic_ncols=True)

    def say(self, text: str) -> None:
        """Write a line of progress, above the bar where there is one."""
        with self._bar.external_write_mode() if self._bar is not None else nullcontext():
            self.stderr.write(text, lambda plain: plain)
            self.stderr.flush()

    def sent(self, sendings: Sequence[Sending]) -> None:
        """Show reports that SQS has accepted."""
        self._published += len(sendings)
        last_at = sendings[-1].measured_at
        if self._past_until is not None and last_at >= self._past_until:
            self._past_until = None
        if self._bar is not None:
            self._bar.set_postfix_str(f"{last_at:%d %b %H:%M}", refresh=False)
            self._bar.update(len(sendings))
        elif self.show is Show.BRIEFLY and self._past_until is not None:
            if monotonic() - self._said >= EVERY_S:
                self._said = monotonic()
                self.say(f"{self._so_far()}, up to {last_at:%Y-%m-%d %H:%M} UTC")
        elif self.show in (Show.LINES, Show.BRIEFLY):
            for sending in sendings:
                self.stdout.write(f"publishing: {sending.lab}")
            self.stdout.flush()

    def caught_up(self, text: str) -> None:
        """Show that the past has been sent, and what follows."""
        if self._bar is not None:
            self._bar.total = None
        if self._published:
            self.say(f"{self._so_far()} in {monotonic() - self._began:.1f} s.")
        self.say(text)

    def close(self) -> None:
        """Remove the bar from the terminal."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def end(self, asked: Arguments, result: RunResult) -> None:
        """Show what was sent, and how to continue."""
        last_at = iso(result.last_at) if result.last_at else None
        if asked.json:
            self.stdout.write(json.dumps({**asdict(result), "last_at": last_at}))
            return
        done = f"{'Stopped' if result.interrupted else 'Done'}: {result.published:,} reports sent"
        self.say(f"{done}, the latest of {last_at}." if last_at else f"{done}.")
        if not result.interrupted:
            return
        if asked.resumes:
            self.say("Run the same command again to continue from there.")
        elif asked.start is not None and last_at:
            self.say(f"To continue from there: --start {last_at}")
        elif asked.replay is not None:
            self.say("Run the same command again, from the first row: each report is stored once.")

    def _so_far(self) -> str:
        about = f" of about {self._about:,}" if self._about else ""
        return f"{self._published:,}{about} reports sent"
