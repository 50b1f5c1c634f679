"""Stopping: the processes of a pool know of it with their parent."""

from __future__ import annotations

import os

from trashsite.stopping import Stopping


def test_a_process_that_was_forked_before_knows_that_its_parent_stops() -> None:
    stopping = Stopping()
    child = os.fork()
    if child == 0:
        told = any(stopping.wait(0.02) for _ in range(500))
        os._exit(0 if told and stopping.lasts_s() > 0 else 1)
    assert not stopping.wait(0.0)
    assert stopping.lasts_s() == 0
    stopping.set()
    assert stopping.wait(0.0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    stopping.clear()
    assert not stopping.wait(0.0)
