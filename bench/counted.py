"""
Run a module as `python -m` does, and count what it sends to AWS: `python -m bench.counted celery -A trashsite worker`.

BENCH_COUNTS names the directory to count into. Without it the module runs as if started by itself.
"""

import os
import runpy
import sys
from pathlib import Path

from bench import counts

if __name__ == "__main__":
    if directory := os.environ.get("BENCH_COUNTS"):
        counters = counts.Counters(Path(directory))
        if sys.argv[1:4] == ["celery", "-A", "trashsite"]:
            counts.watch_ours(counters)
        else:
            counts.watch_urllib3(counters)
        # curl is a library of its own: only who uses it should pay for its memory.
        if os.environ.get("BENCH_CURL"):
            counts.watch_curl(counters)
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
