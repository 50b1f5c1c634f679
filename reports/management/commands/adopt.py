"""`manage.py adopt`: take over a table that the lab's own service wrote."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from reports import queue, store
from reports.management.letters import UNREACHABLE
from reports.queue import QueueUnavailable
from reports.store import StoreUnavailable


class Command(BaseCommand):
    """Adds what the table lacks, and brings each can that the lab's service wrote into the lists."""

    help = (
        "Take over a table of the lab's own service: add the indexes, queue and tables that are missing, and bring its "
        "cans into the lists. Both services may run meanwhile. Safe to run again: the lab's service takes a can out of "
        "the lists with each level that it writes, so run it once more when that service has stopped."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare --table."""
        parser.add_argument("--table", required=True, help="name of the table, as trash-levels-wra")

    def handle(self, table: str, **options: Any) -> None:
        """Print a line for each queue and table, then how many cans there are and how many were brought in."""
        settings.TRASH_SUFFIX = _suffix_of(table)
        cans = adopted = 0
        try:
            if table in store.missing():
                raise CommandError(f"There is no table {table} in this region. `aws dynamodb list-tables` lists them.")
            for line in chain(queue.provision(), store.provision()):
                self.stdout.write(line)
            with tqdm(unit=" cans", disable=not self.stderr.isatty()) as bar:
                for found, brought in _adopt():
                    cans, adopted = cans + found, adopted + brought
                    bar.update(found)
        except KeyboardInterrupt:
            raise CommandError(
                f"Stopped: {adopted} cans were brought into the lists. Run it again for the rest."
            ) from None
        except (QueueUnavailable, StoreUnavailable) as error:
            raise CommandError(UNREACHABLE.format(error)) from error
        self.stdout.write(f"{cans} cans, of these {adopted} brought into the lists")
        if settings.TRASH_SUFFIX:
            self.stdout.write(f"Start workers and web servers with TRASH_SUFFIX={settings.TRASH_SUFFIX}")


def _adopt() -> Iterator[tuple[int, int]]:
    """Yield, a page of the table at a time, how many cans there were and how many of them the lists lacked."""
    for stretch in store.walk():
        yield len(stretch.cans), store.mend(stretch.cans)


def _suffix_of(table: str) -> str:
    """Return the suffix by which our names are those of a table. Raises CommandError where none is."""
    if table == store.LEVELS:
        return ""
    name, dash, suffix = table.partition(f"{store.LEVELS}-")
    if name or not dash or not suffix:
        raise CommandError(f"{table!r} is not {store.LEVELS} or {store.LEVELS}-SUFFIX, so no setting would lead to it.")
    return suffix
