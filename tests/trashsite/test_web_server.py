"""The web server's processes."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from stack.servers import is_free
from tests.support.servers import Site, eventually


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has died")
@pytest.mark.parametrize("arguments", [(), ("--pin",)], ids=["as usual", "pinned"])
def test_a_killed_web_server_leaves_no_process_and_no_port(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    site = Site(tmp_path / "log", *arguments)
    try:
        os.kill(site.process.pid, signal.SIGKILL)
        eventually(lambda: is_free(site.port), 5)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(site.process.pid, signal.SIGKILL)
        site.close()
