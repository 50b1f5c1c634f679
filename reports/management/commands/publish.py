"""Copy what workers must know of Django's database into their register."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from reports import publishing
from reports.queue import QueueUnavailable, RedriveKeyMissing
from reports.store import StoreUnavailable


class Command(BaseCommand):
    help = (
        "Copies sensors and their mountings into the register that workers read: those whose copy is still due, "
        "--all for every one. Web servers do it by themselves; run it with --all after the database was restored, "
        "or the pipeline table was made anew. Safe to run again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--all", action="store_true", help="copy every entry again, not only what is due")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["all"]:
            publishing.note_all()
        try:
            count = publishing.publish_noted()
        except (StoreUnavailable, QueueUnavailable, RedriveKeyMissing) as error:
            raise CommandError(f"{error} What is not copied stays due: run it again.") from error
        self.stdout.write(f"copied {count} entries")
