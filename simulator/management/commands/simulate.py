"""`manage.py simulate`: a fleet of cans, or the rows of a file, to the queue."""

from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from reports import queue
from simulator import arguments, console, replay
from simulator.bookmark import Bookmark
from simulator.fleet import Fleet
from simulator.pace import WallClock
from simulator.run import Run


class Command(BaseCommand):
    """Send what a town's cans report: the past days at once, then as it happens."""

    help = __doc__
    # It needs a queue that answers sometime, which it waits for, and nothing else.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        arguments.add_to(parser)

    def handle(self, **options: object) -> None:
        asked = arguments.of(options)
        screen = console.Console.for_run(asked, self.stdout, self.stderr)
        run = Run(asked, queue.publish, WallClock(), screen, on_their_way=on_their_way)
        try:
            if asked.replay is None:
                fleet = Fleet(asked.seed, asked.cans, ZoneInfo(settings.TRASH_TIME_ZONE))
                run.bookmark = Bookmark.of(fleet, settings.TRASH_DATA) if asked.resumes else None
                screen.end(asked, run.fleet(fleet))
            else:
                with replay.opened(asked.replay) as file:
                    screen.end(asked, run.replay(file))
        except replay.ReplayError as error:
            raise CommandError(f"{asked.replay}: {error} Rows sent before it: {run.published}.") from error


def on_their_way() -> int:
    """Return about how many messages are in the queue, or in a worker's hand."""
    depth = queue.depth()
    return depth.waiting + depth.in_flight
