#!/usr/bin/env python
"""Run one of the project's commands: `./manage.py help` lists them."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trashsite.settings")
    from django.core.management import execute_from_command_line

    from trashsite import __version__

    try:
        try:
            if sys.argv[1:] in (["--version"], ["version"]):
                # Django would print its own.
                print(__version__)
            else:
                execute_from_command_line(sys.argv)
        finally:
            # A few lines may be buffered until now; the interpreter would write them later, outside this try.
            sys.stdout.flush()
    except BrokenPipeError:
        # The reader, as `head`, has ended; the rest of the output is dropped.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + 13)
