"""
Make what the stack needs before its worker starts: queues, tables, database, users.

    python -m stack.prepare [SENSORS]   as `make run` does, in one process: each command of its own would cost 0.7 s

SENSORS: so many simulated sensors of `simulate --format uplinks` are mounted in cans, and the simulated cans get names.
"""

from __future__ import annotations

import os
import sys
from io import StringIO
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trashsite.settings")
    django.setup()
    call_command("provision")
    call_command("migrate", verbosity=0)
    call_command("people", local=True)
    if len(sys.argv) > 1:
        call_command("name-cans")
        mountings = StringIO()
        call_command("simulate", "--format", "uplinks", "--cans", sys.argv[1], "--mountings", stdout=mountings)
        file = Path(settings.TRASH_DATA) / "sensors.csv"
        file.write_text(mountings.getvalue())
        call_command("mount", str(file))
