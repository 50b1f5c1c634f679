"""`manage.py dead-letters`: list or export the dead letters."""

from __future__ import annotations

import json
import os
from contextlib import closing
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from reports import queue
from reports.management import letters as shown
from reports.queue import LetterKind, QueueUnavailable


class Command(BaseCommand):
    """Lists dead letters of reports or of alerts, or writes them all to a file; both leave them in the queue."""

    help = "List the dead letters with their reasons, or write them all to a file. They stay in the queue."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare --alerts, --most, --reason, --json and --export."""
        shown.add_kind(parser)
        parser.add_argument("--most", type=int, default=100, metavar="N", help="list at most N (default 100)")
        parser.add_argument("--reason", help=f"only those with this reason: {shown.REASON}")
        parser.add_argument("--json", action="store_true", help="print a JSON array, with the complete texts")
        parser.add_argument("--export", type=Path, metavar="FILE", help="write all to a new file as lines of JSON")

    def handle(self, **options: Any) -> None:
        """Print or write them, and their number on stderr."""
        try:
            self._export(**options) if options["export"] else self._list(**options)
        except QueueUnavailable as error:
            raise CommandError(shown.UNREACHABLE.format(error)) from error

    def _list(self, *, kind: LetterKind, most: int, reason: str | None, json: bool, **_: Any) -> None:
        seen = queue.sample_letters(kind, most=most, hidden_s=30, release=True)
        chosen = [letter for letter in seen if reason is None or letter.is_about(reason)]
        for line in [_dump([shown.as_json(each) for each in chosen])] if json else shown.table(chosen):
            self.stdout.write(line)
        about = queue.count_dead_letters(kind)
        rest = f"; {len(seen)} of about {about} messages were read: see --most and --export" if about > most else ""
        shown.say(self.stderr, shown.summary(chosen) + rest)

    def _export(self, *, kind: LetterKind, export: Path, reason: str | None, **_: Any) -> None:
        written = 0
        try:
            with export.open("x") as file, closing(queue.walk_letters(kind)) as walk:
                for letter in (each for letters in walk for each in letters if reason is None or each.is_about(reason)):
                    file.write(_dump(shown.as_json(letter)) + "\n")
                    written += 1
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise CommandError(f"{error}. Name a new file that can be written.") from error
        except KeyboardInterrupt:
            raise CommandError(f"Stopped: {export} has {written} dead letters, not all. Name another file.") from None
        shown.say(self.stderr, f"wrote {written} dead letters to {export}; they are still in the queue")


def _dump(value: object) -> str:
    return json.dumps(value)
