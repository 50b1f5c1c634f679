"""`manage.py name-cans`: enter what the owner of a simulated town knows of its cans."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from reports.models import Can, index_words
from simulator import town

#: Cans that are known, and whose sensors never reported.
NEVER = 2


class Command(BaseCommand):
    """Enter names and addresses of the simulated cans of which nothing is known, and two that never report."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--cans", type=int, default=500, help="how many (default 500)")
        parser.add_argument("--seed", type=int, default=1, help="which fleet, as in simulate (default 1)")

    def handle(self, *args: Any, **options: Any) -> None:
        cans = [_named(options["seed"], number) for number in range(options["cans"] + NEVER)]
        known = set(Can.objects.filter(pk__in=[can.can_id for can in cans]).values_list("pk", flat=True))
        fresh = [can for can in cans if can.can_id not in known]
        Can.objects.bulk_create(fresh, ignore_conflicts=True)
        index_words(fresh)
        self.stdout.write(f"named {len(fresh)} cans")


def _named(seed: int, number: int) -> Can:
    can = town.can(seed, number)
    latitude, longitude = can.location
    place, address = town.name_and_address(seed, number)
    return Can(
        can_id=can.can_id, name=f"{place}, {can.stream}", address=address, latitude=latitude, longitude=longitude
    )
