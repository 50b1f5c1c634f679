#!/usr/bin/env python
"""Run one of the project's commands: `./manage.py help` lists them."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trashsite.settings")
    from django.core.management import execute_from_command_line

    try:
        try:
            execute_from_command_line(sys.argv)
        finally:
            # Few lines wait until now: written by the interpreter at its end, they would fail where nobody catches it.
            sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our lines, as `head` does, has seen enough; what is left goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + 13)
