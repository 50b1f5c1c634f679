"""
Make the queues and tables of a run, and store an older report of each can: `python -m bench.prepare < bodies`.

So the run updates rows that exist, as in a fleet that has reported before.
"""

import os
import sys
from datetime import UTC, datetime

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trashsite.settings")
    from reports import queue, store
    from reports.formats.native import parse
    from reports.report import Report

    for made in (*queue.provision(), *store.provision()):
        print(made)
    now = datetime.now(UTC)
    reports = [each for line in sys.stdin for each in parse(line, now) if isinstance(each, Report)]
    store.put_reports(reports, now=now)
