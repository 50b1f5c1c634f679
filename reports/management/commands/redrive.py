"""`manage.py redrive`: send dead letters of reports or of alerts back to the worker."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from reports import queue
from reports.management import letters as shown
from reports.queue import DeadLetter, LetterKind, LetterOutcome, QueueUnavailable

LIST = (
    "`manage.py dead-letters` lists what is there (--alerts: of alerts); what another reader has received is hidden "
    "for some minutes."
)


class Command(BaseCommand):
    """Copies dead letters to the worker's queue, then deletes them; may be stopped at any moment and run again."""

    help = (
        "Send dead letters back to the worker: reports with their first message id and time, alerts (--alerts) by the "
        "rule that had failed. Safe to stop and run again."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare which letters, and --dry-run."""
        shown.add_kind(parser)
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--all", action="store_true", help="all letters")
        which.add_argument("--reason", help=f"those with this reason: {shown.REASON}")
        which.add_argument("--id", nargs="+", action="extend", metavar="ID", help="those that `dead-letters` lists so")
        parser.add_argument("--dry-run", action="store_true", help="list what would be sent, and send nothing")

    def handle(self, *, kind: LetterKind, reason: str | None, id: list[str] | None, dry_run: bool, **_: Any) -> None:
        """Send the letters, or list them, and print what was done."""
        try:
            self._list(kind, reason, id) if dry_run else self._send(kind, reason, id)
        except queue.RedriveKeyMissing as error:
            raise CommandError(str(error)) from error
        except QueueUnavailable as error:
            raise CommandError(shown.UNREACHABLE.format(error)) from error

    def _list(self, kind: LetterKind, reason: str | None, ids: list[str] | None) -> None:
        if ids:
            chosen = queue.find_letters(ids, kind, hidden_s=0)
        else:
            with closing(queue.walk_letters(kind)) as walk:
                chosen = [each for letters in walk for each in letters if reason is None or each.is_about(reason)]
        for line in shown.table(chosen):
            self.stdout.write(line)
        shown.say(self.stderr, f"would send back {shown.summary(chosen)}")

    def _send(self, kind: LetterKind, reason: str | None, ids: list[str] | None) -> None:
        done = again = 0
        total = len(ids or ()) or queue.count_dead_letters(kind)
        bar = tqdm(total=total, unit=" letters", disable=not self.stderr.isatty())
        try:
            with bar, closing(_named(ids, kind) if ids else _about(reason, kind)) as work:
                for outcome in work:
                    done, again = done + len(outcome.done), again + len(outcome.again)
                    bar.update(len(outcome.done))
        except (KeyboardInterrupt, QueueUnavailable) as error:
            raise CommandError(
                f"{str(error) or 'Stopped'}: {done} dead letters were sent back and deleted. Of what was sent and not "
                "yet deleted, a second copy does no harm. Run the same command again to continue."
            ) from None
        self.stdout.write(f"sent back {done} dead letters")
        if again:
            raise CommandError(f"{again} were not: they are gone, received by another reader, or incomplete. {LIST}")
        if reason and not done:
            raise CommandError(f"There are none about {reason}. {LIST}")


def _about(reason: str | None, kind: LetterKind) -> Generator[LetterOutcome]:
    return queue.redrive_where(lambda letter: reason is None or letter.is_about(reason), kind)


def _named(ids: list[str], kind: LetterKind) -> Generator[LetterOutcome]:
    """Send the letters of these ids; those that were not found count as unchanged."""
    letters: list[DeadLetter] = queue.find_letters(ids, kind)
    yield queue.redrive(letters)
    yield LetterOutcome([], sorted(set(ids).difference(copy.message_id for each in letters for copy in each.copies)))
