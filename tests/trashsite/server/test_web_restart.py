"""A web process that is killed, however often, is followed by another; one that cannot start is told of."""

from __future__ import annotations

import os
import signal
from contextlib import closing
from pathlib import Path

import pytest

from stack.servers import answers
from tests.support.servers import Site, eventually


@pytest.mark.parametrize("workers", [1, 2])
def test_a_process_that_is_killed_five_times_in_a_row_comes_back(tmp_path: Path, workers: int) -> None:
    with closing(Site(tmp_path / "log", "--workers", str(workers), TRASH_DATA=str(tmp_path))) as site:

        def processes() -> list[int]:
            """All that serve; multiprocessing has one more, which tracks resources."""
            children = Path(f"/proc/{site.process.pid}/task/{site.process.pid}/children").read_text().split()
            named = {int(pid): Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children}
            return sorted(pid for pid, command in named.items() if b"resource_tracker" not in command)

        killed: set[int] = set()
        for _ in range(5):
            serving = eventually(lambda: (pids := processes()) and not killed & {*pids} and pids)
            assert len(serving) == workers
            os.kill(serving[0], signal.SIGKILL)
            killed.add(serving[0])
            assert eventually(lambda: len({*processes()} - killed) == workers)
        assert eventually(lambda: answers(f"{site.url}/health/live"))
        assert site.process.poll() is None
        assert site.stop() == 0


def test_a_process_that_never_could_start_ends_the_server(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        # Site waits for an answer, or for the end.
        site = Site(tmp_path / "log", TRASH_DATA=str(tmp_path), TRASH_READS="nonsense")
        assert site.process.poll() is None, site.log
    assert "TRASH_READS is 'nonsense'" in (tmp_path / "log").read_text()
