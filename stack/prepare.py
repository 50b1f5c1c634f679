"""
Make what the stack needs before its worker starts: queues, tables, database, users.

    python -m stack.prepare      as `make run` does, in one process: each command of its own would cost 0.7 s
"""

from __future__ import annotations

import os

import django
from django.core.management import call_command

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trashsite.settings")
    django.setup()
    call_command("provision")
    call_command("migrate", verbosity=0)
    call_command("people", local=True)
