"""`manage.py provision`: create the queues and tables."""

from __future__ import annotations

import argparse
from itertools import chain
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from reports import queue, store
from reports.management.letters import UNREACHABLE
from reports.queue import QueueUnavailable
from reports.store import StoreUnavailable


def throughput(text: str) -> tuple[int, int]:
    """Read "3/3": read and write units a second."""
    read, slash, write = text.partition("/")
    if not (slash and read.isdigit() and write.isdigit() and int(read) and int(write)):
        raise argparse.ArgumentTypeError(f"{text!r} is not READ/WRITE, as 3/3")
    return int(read), int(write)


class Command(BaseCommand):
    """Creates what is missing, and prints what exists; safe to run again."""

    help = "Create the four queues and three tables where they are missing. Safe to run again."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare --suffix and --throughput."""
        parser.add_argument("--suffix", help="end of all names, as in trash-level-wra (default: TRASH_SUFFIX)")
        parser.add_argument(
            "--throughput",
            type=throughput,
            metavar="READ/WRITE",
            help="capacity units a second, as 3/3 (default: on demand)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print a line for each queue and table."""
        if options["suffix"] is not None:
            from django.conf import settings

            settings.TRASH_SUFFIX = options["suffix"]
        try:
            for line in chain(queue.provision(), store.provision(throughput=options["throughput"])):
                self.stdout.write(line)
        except (QueueUnavailable, StoreUnavailable) as error:
            raise CommandError(UNREACHABLE.format(error)) from error
