"""A web process that is killed, however often, is followed by another; one that cannot start is told of."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

from stack.servers import LOOPBACK, answers, free_port
from tests.support.servers import ROOT, Site, eventually


@pytest.mark.parametrize(("workers", "times"), [(1, 5), (2, 2)])
def test_a_process_that_is_killed_several_times_in_a_row_comes_back(tmp_path: Path, workers: int, times: int) -> None:
    with closing(Site(tmp_path / "log", "--workers", str(workers), TRASH_DATA=str(tmp_path))) as site:

        def processes() -> list[int]:
            """All that serve; multiprocessing has one more, which tracks resources."""
            children = Path(f"/proc/{site.process.pid}/task/{site.process.pid}/children").read_text().split()
            named: dict[int, bytes] = {}
            for pid in children:
                # One that was killed may end meanwhile.
                with suppress(OSError):
                    named[int(pid)] = Path(f"/proc/{pid}/cmdline").read_bytes()
            return sorted(pid for pid, command in named.items() if b"resource_tracker" not in command)

        killed: set[int] = set()
        for _ in range(times):
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


def test_a_server_that_lingers_answers_after_sigterm_on_the_port_of_the_environment(tmp_path: Path) -> None:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "deploy/web.py", "--linger", "5"], cwd=ROOT, start_new_session=True,
        env={**os.environ, "TRASH_LOCAL": "1", "TRASH_DATA": str(tmp_path), "PORT": str(port)},
    )  # fmt: skip
    try:
        live = f"http://{LOOPBACK}:{port}/health/live"
        assert eventually(lambda: answers(live))
        assert images_health_check(port) == 0
        process.terminate()
        # Without --linger it refuses connections within 0.1 s of the signal.
        time.sleep(0.5)
        assert answers(live)
        assert process.wait(15) == 0
        assert images_health_check(port) == 1
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


def images_health_check(port: int) -> int:
    """The status with which the Dockerfile's HEALTHCHECK ends, beside a server on this port."""
    (command,) = re.findall(r"^HEALTHCHECK .*\\\n +CMD (\[.+\])$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    python, *words = json.loads(command)
    assert python == "python"
    environ = {**os.environ, "PORT": str(port)}
    return subprocess.run([sys.executable, *words], env=environ, stderr=subprocess.DEVNULL, check=False).returncode
