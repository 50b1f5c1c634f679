"""The worker's line a batch, or one for many batches where they come fast: a log is paid by the byte."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field

from reports.worker.counters import BatchCounts

logger = logging.getLogger(__name__)

#: So many batches within EVERY_S have a line each; more share one, which the heartbeat writes every ten seconds.
MOST_LINES = 10
EVERY_S = 10.0
#: Said only where there are any.
READINGS = ("held", "ignored", "waiting", "unlisted")


@dataclass(slots=True)
class BatchLog:
    """Logs what became of batches."""

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _began_s: float = -EVERY_S
    _lines: int = 0
    _waiting: list[BatchCounts] = field(default_factory=list)

    def add(self, batch: BatchCounts) -> None:
        """Log a batch, now or together with those that follow."""
        now_s = time.monotonic()
        with self._lock:
            if now_s - self._began_s >= EVERY_S:
                self._began_s, self._lines = now_s, 0
            self._waiting.append(batch)
            if self._lines >= MOST_LINES:
                return
            self._lines += 1
        self.flush()

    def flush(self) -> None:
        """Log what waits: called every few seconds, and at the end."""
        with self._lock:
            batches, self._waiting = self._waiting, []
        if batches:
            _log(batches)


def _log(batches: list[BatchCounts]) -> None:
    counts = sum(batches, BatchCounts())
    # None where all were sent again.
    ages = [round(each, 1) for each in counts.ages_s or ()]
    logger.info(
        "%smessages=%d stored=%d older=%d repeated=%d set_aside=%d postponed=%d new_cans=%d%s%s",
        f"batches={len(batches)} " if len(batches) > 1 else "",
        counts.messages, counts.stored, counts.older, counts.repeated, counts.set_aside, counts.postponed,
        counts.new_cans, " age_s={}..{}".format(*ages) if ages else "",
        "".join(f" {name}={count}" for name in READINGS if (count := getattr(counts, name))),
        extra={"counts": {"batches": len(batches), **counts.numbers(), **({"age_s": ages} if ages else {})}},
    )  # fmt: skip


batch_log = BatchLog()
