"""Mount sensors from a CSV file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from reports import publishing
from reports.csv_rows import WrongLines
from reports.mountings_csv import COLUMNS, import_mountings
from reports.queue import QueueUnavailable, RedriveKeyMissing
from reports.store import StoreUnavailable


class Command(BaseCommand):
    help = (
        f"Mounts the sensor of each line of a CSV file: all lines, or none where one is wrong. Columns: "
        f"{', '.join(COLUMNS)}; key and can_id have to be there. Safe to run again with the same file."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", help="the CSV file; - for stdin")

    def handle(self, *args: Any, **options: Any) -> None:
        file: str = options["file"]
        try:
            text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{file}: {error}") from error
        try:
            counts = import_mountings(text, timezone.now())
        except WrongLines as error:
            raise CommandError("Nothing was mounted. " + " ".join(error.errors)) from error
        self.stdout.write(f"mounted {counts['new']} sensors; {counts['same']} were mounted so before")
        try:
            publishing.publish_noted()
        except (StoreUnavailable, QueueUnavailable, RedriveKeyMissing) as error:
            raise CommandError(f"{error} The mountings are saved; web servers copy them later.") from error
