"""A run of the simulator: what is sent in which order, also across outages of the queue, and how it is resumed."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain, islice, takewhile
from typing import TextIO

from reports.queue import QueueUnavailable
from reports.report import Report
from simulator import replay
from simulator.arguments import Arguments
from simulator.bookmark import Bookmark
from simulator.console import Console, RunResult
from simulator.fleet import Fleet, Measurement, Place
from simulator.pace import Clock, Pace, due
from simulator.sending import Sending, bodies, of_measurement, of_report, of_uplink

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 20.0
#: The past waits while more messages than this are not stored yet, so that reports of others are stored at once: a week
#: of 500 cans takes a minute, and a visitor's first report waited for all of it.
MOST_UNSTORED = 40
CHECK_EVERY_S = 0.2
#: Longer than the messages of a crashed worker are invisible.
NO_WORKER_AFTER = timedelta(seconds=35)
#: How often the bookmark is written; what was sent since is sent again after a crash.
BOOKMARK_EVERY = timedelta(seconds=1)


@dataclass(slots=True)
class Run:
    """
    One run.

    publish: sends any number of message bodies, raises QueueUnavailable. count_unstored: returns how many messages are
    not stored yet, raises the same. bookmark: None for a run that cannot be resumed.
    """

    arguments: Arguments
    publish: Callable[[Sequence[str]], object]
    clock: Clock
    console: Console
    bookmark: Bookmark | None = None
    count_unstored: Callable[[], int] | None = None
    published: int = 0
    last_at: datetime | None = None
    _place: Place | None = field(default=None, init=False)
    _bookmark_at: datetime | None = field(default=None, init=False)

    def fleet(self, fleet: Fleet) -> RunResult:
        """
        Send the fleet's measurements from where the arguments say, until --count or Ctrl-C ends it.

        The past is sent as fast as it is stored, or at --speedup; real time follows. Without a speedup, a start or a
        count, each can's newest measurement is sent before the past: the fleet shows its present within a second, and
        the charts are filled afterwards. Each measurement is still sent once.
        """
        asked, now = self.arguments, self.clock.now()
        begin = self._begin(now)
        past: Iterator[Measurement] = iter(())
        live: Iterator[Measurement]
        ahead: list[Measurement] = []
        pace = Pace(begin.measured_at, now)
        if asked.speedup is not None:
            live, pace = fleet.measurements(begin), Pace(begin.measured_at, now, asked.speedup)
        elif asked.live_rate is not None and (asked.start is not None or not asked.back):
            live, pace = fleet.at_rate(asked.live_rate, begin.measured_at), Pace(begin.measured_at, now, 1)
        else:
            past = takewhile(lambda measured: measured.measured_at <= now, fleet.measurements(begin))
            if asked.start is None and asked.count is None:
                ahead = [measured for measured in fleet.newest(now) if measured.place > begin]
            live = (
                fleet.measurements(fleet.end_of(now))
                if asked.live_rate is None
                else fleet.at_rate(asked.live_rate, now)
            )
        about = fleet.expected(begin.measured_at, now) if pace.speedup is None else 0
        self.console.begin(self._beginning(fleet, begin, now), past_until=now, about=asked.count or about)
        with self._until_stopped() as stopped:
            self._publish([self._sending(measured) for measured in ahead], in_order=False)
            sent = {measured.place for measured in ahead}
            missing = (self._sending(measured) for measured in past if measured.place not in sent)
            self._send(missing, pace, before_each=self._wait_for_worker)
            if pace.speedup is None and not self._enough():
                self._place = fleet.end_of(now)
                self.console.caught_up(self._from_now_on(fleet))
            self._send(map(self._sending, live), pace)
        return RunResult(self.published, self.last_at, bool(stopped))

    def _sending(self, measured: Measurement) -> Sending:
        return of_uplink(measured) if self.arguments.format == "uplinks" else of_measurement(measured)

    def replay(self, file: TextIO) -> RunResult:
        """
        Send the rows of a file in their order.

        They are sent at --rate, or by their own times from the first row on at --speedup, or as fast as SQS accepts
        them. Raises ReplayError at a bad row; the rows before it have been sent.
        """
        started = self.clock.now()
        self.console.begin("Replaying.", past_until=started, about=self.arguments.count or 0)
        reports = replay.reports(file, self.clock.now)
        with self._until_stopped() as stopped:
            first = next(reports, None)
            if first is not None:
                pace = Pace(first.measured_at or started, started, self.arguments.speedup)
                self._send(self._rows(chain([first], reports), started), pace)
        return RunResult(self.published, self.last_at, bool(stopped))

    def _rows(self, reports: Iterable[Report], started: datetime) -> Iterator[Sending]:
        for number, report in enumerate(reports):
            measured_at = report.measured_at or started
            rate = self.arguments.rate
            due_at = measured_at if rate is None else started + timedelta(seconds=number / rate)
            yield of_report(report, measured_at, due_at)

    def _begin(self, now: datetime) -> Place:
        if self.arguments.start is not None:
            return Place(self.arguments.start)
        begin = Place(now - self.arguments.back)
        ended = self.bookmark.read() if self.bookmark else None
        return max(begin, ended) if ended and ended.measured_at <= now else begin

    def _beginning(self, fleet: Fleet, begin: Place, now: datetime) -> str:
        since = f"from {begin.measured_at:%Y-%m-%d %H:%M} UTC" if begin.measured_at != now else "from now on"
        ended = ", where the last run ended" if begin.number >= 0 else ""
        return f"{fleet.size:,} cans of seed {fleet.seed}, {since}{ended}."

    def _from_now_on(self, fleet: Fleet) -> str:
        rate = self.arguments.live_rate
        if rate is not None:
            return f"The present is reached, from now on {rate:g} a second."
        every_s = 1 / sum(1 / can.every_s for can in fleet.cans)
        return f"The present is reached, from now on in real time, one about every {every_s:.3g} s."

    def _enough(self) -> bool:
        return self.arguments.count is not None and self.published >= self.arguments.count

    def _send(self, sendings: Iterator[Sending], pace: Pace, before_each: Callable[[], None] = lambda: None) -> None:
        if self.arguments.count is not None:
            sendings = islice(sendings, self.arguments.count - self.published)
        for chunk in due(sendings, pace, self.clock):
            before_each()
            self._publish(chunk)

    def _wait_for_worker(self) -> None:
        """Wait until nearly all that was sent is stored, but not where no worker seems to run."""
        least, least_at = None, self.clock.now()
        while self.count_unstored is not None:
            try:
                unstored = self.count_unstored()
            except QueueUnavailable:
                # The next publish waits for the queue, and shows it.
                return
            if unstored <= MOST_UNSTORED:
                return
            if least is None or unstored < least:
                least, least_at = unstored, self.clock.now()
            elif self.clock.now() - least_at > NO_WORKER_AFTER:
                self.count_unstored = None
                self.console.say("No worker seems to run: the rest of the past is sent at once.")
            self.clock.sleep(CHECK_EVERY_S)

    def _publish(self, chunk: Sequence[Sending], *, in_order: bool = True) -> None:
        """Send a chunk, however long SQS does not answer; a chunk out of order does not move the bookmark."""
        if not chunk:
            return
        unsent: Sequence[str] = bodies(chunk, self.clock.now(), form=self.arguments.format)
        wait_s, failing_since = FIRST_WAIT_S, None
        while unsent:
            try:
                self.publish(unsent)
                break
            except QueueUnavailable as error:
                unsent = error.unsent or unsent
                if failing_since is None:
                    failing_since = self.clock.now()
                    self.console.say(f"The queue does not answer ({error}). Trying again; nothing is lost.")
                self.clock.sleep(wait_s)
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
        if failing_since is not None:
            outage_s = (self.clock.now() - failing_since).total_seconds()
            self.console.say(f"The queue answers again, after {outage_s:.0f} s.")
        self.published += len(chunk)
        self.last_at = max(self.last_at or chunk[-1].measured_at, chunk[-1].measured_at)
        if in_order:
            self._place = chunk[-1].place
            if self._bookmark_at is None or self.clock.now() - self._bookmark_at >= BOOKMARK_EVERY:
                self._write_bookmark()
        self.console.sent(chunk)

    def _write_bookmark(self) -> None:
        self._bookmark_at = self.clock.now()
        if self.bookmark is None or self._place is None:
            return
        try:
            self.bookmark.write(self._place)
        except OSError as error:
            self.console.say(f"Cannot write the bookmark ({error}): the next run sends the same reports again.")
            self.bookmark = None

    @contextmanager
    def _until_stopped(self) -> Iterator[list[str]]:
        """End the block in order on Ctrl-C, SIGTERM or a closed stdout; then the list yielded is not empty."""
        stopped: list[str] = []
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            yield stopped
        except KeyboardInterrupt:
            stopped.append("interrupted")
        except BrokenPipeError:
            stopped.append("stdout is closed")
            # Python's flush at exit must not raise again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        finally:
            signal.signal(signal.SIGTERM, before)
            self._write_bookmark()
            self.console.close()
