"""`manage.py simulate`: send the reports of a simulated fleet, or the rows of a file, to the queue."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from reports import queue
from simulator import arguments, console, replay, uplinks
from simulator.bookmark import Bookmark
from simulator.fleet import Fleet
from simulator.pace import WallClock
from simulator.run import Run


class Command(BaseCommand):
    """Send what a town's cans report: the past days at once, then in real time."""

    help = __doc__
    # It needs only a queue, and waits until that answers.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        arguments.add_to(parser)

    def handle(self, **options: object) -> None:
        asked = arguments.of(options)
        if asked.check:
            return check(asked)
        if asked.mountings:
            fleet = Fleet(asked.seed, asked.cans, ZoneInfo(settings.TRASH_TIME_ZONE))
            self.stdout.writelines(f"{line}\n" for line in uplinks.mountings(iter(fleet.cans)))
            return None
        screen = console.Console.for_run(asked, self.stdout, self.stderr)
        run = Run(asked, queue.publish, WallClock(), screen, count_unstored=count_unstored)
        try:
            if asked.replay is None:
                new_since = run.clock.now() - timedelta(arguments.DAYS) if asked.demo else None
                fleet = Fleet(asked.seed, asked.cans, ZoneInfo(settings.TRASH_TIME_ZONE), new_since)
                run.bookmark = Bookmark.of(fleet, settings.TRASH_DATA, form=asked.format) if asked.resumes else None
                screen.end(asked, run.fleet(fleet))
            else:
                with replay.opened(asked.replay) as file:
                    screen.end(asked, run.replay(file))
        except replay.ReplayError as error:
            raise CommandError(f"{asked.replay}: {error} Rows sent before it: {run.published}.") from error


def check(asked: arguments.Arguments) -> None:
    """Raise CommandError where the file that is to be replayed cannot be read; the parser has checked all else."""
    if asked.replay is None:
        return
    try:
        with replay.opened(asked.replay):
            pass
    except replay.ReplayError as error:
        raise CommandError(f"{asked.replay}: {error}") from error


def count_unstored() -> int:
    """Return about how many messages wait in the queue or are in a worker."""
    depth = queue.depth()
    return depth.waiting + depth.in_flight
