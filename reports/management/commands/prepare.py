from __future__ import annotations

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError

from reports import queue, store
from reports.queue import QueueUnavailable
from reports.store import StoreUnavailable
from trashsite.database import database_lock


class Command(BaseCommand):
    """What a deployment runs before each web server and worker; safe to run again, and by several at once."""

    help = (
        "Check that the queue and tables are there, migrate the database, make the roles, and the first admin with "
        "the password in TRASH_ADMIN_PASSWORD. Safe to run again, and by several at once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare --check."""
        parser.add_argument("--check", action="store_true", help="check the queue and tables alone: for a worker")

    def handle(self, *args: Any, **options: Any) -> None:
        """Fail, with what is missing, before anything is changed."""
        self._check_aws()
        if not options["check"]:
            self._prepare_database(options["verbosity"])

    def _check_aws(self) -> None:
        try:
            names = (queue.REPORTS, queue.ALERTS)
            found = [flaw for name in names for flaw in queue.flaws(queue.full_name(name))]
            found += store.flaws()
        except (QueueUnavailable, StoreUnavailable) as error:
            raise CommandError(f"{error}\nLook at the region, the role's rights, and the way to AWS.") from error
        if found:
            raise CommandError("\n".join(found))
        self.stdout.write("queue and tables are as they should be")

    def _prepare_database(self, verbosity: int) -> None:
        try:
            with database_lock():
                call_command("migrate", interactive=False, verbosity=verbosity)
                call_command("people", "--first-admin")
        except OperationalError as error:
            raise CommandError(f"The database of DATABASE_URL does not answer: {error}") from error
        except OSError as error:
            raise CommandError(f"{error}\nLet this user write to the folder of SQLite's file.") from error
