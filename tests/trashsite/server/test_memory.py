"""What many threads took of the C library and freed is given back."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.servers import ROOT
from trashsite.server import memory

pytestmark = pytest.mark.skipif(not memory.CAN_GIVE_BACK, reason="the C library has no such functions")

#: 32 threads take 2 MB each, in blocks too large for Python's own arenas, and keep one of 50.
PROGRAM = """
import ctypes
import threading
from pathlib import Path
from trashsite.server import memory

def megabytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 // 1_000_000

def take():
    blocks = [bytes(2_000) for _ in range(1_000)]
    kept.append(blocks[::50])
    everywhere.wait()

memory.use_one_arena()
kept, everywhere = [], threading.Barrier(32)
threads = [threading.Thread(target=take) for _ in range(32)]
before = megabytes()
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
freed = megabytes()
memory.give_back()
print(before, freed, megabytes())
# Writes to stderr.
ctypes.CDLL(None).malloc_stats()
"""


def test_what_threads_freed_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stderr.count("Arena ") == 1
    before, freed, given_back = map(int, done.stdout.split())
    assert freed > before + 40
    assert given_back < before + 15
