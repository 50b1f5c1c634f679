"""`manage.py cost --cans N --every 15m`: the monthly bill of a fleet on AWS."""

from __future__ import annotations

import argparse
import re
from json import dumps
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from reports.management.costs.bill import Fleet, monthly_bill
from reports.management.costs.measured import FIGURES, Measured, NotMeasured
from reports.management.costs.prices import REGION, TABLE, InvalidPrices, load
from reports.management.costs.printed import as_json, as_text

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600}
MOST_CANS = 1_000_000_000


def every(text: str) -> int:
    """Read "15m" as seconds."""
    found = re.fullmatch(r"([1-9][0-9]{0,5})([smhd])", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number and s, m, h or d, as 15m")
    return int(found[1]) * SECONDS[found[2]]


def cans(text: str) -> int:
    """Read a number of cans."""
    if not re.fullmatch(r"[1-9][0-9]{0,9}", text) or int(text) > MOST_CANS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {MOST_CANS}")
    return int(text)


class Command(BaseCommand):
    """Multiplies what a report was measured to take by AWS's list prices."""

    help = "Print the monthly bill of a fleet on AWS, by service, from a dated table of prices and measured figures."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the fleet, the region, and both files."""
        parser.add_argument("--cans", type=cans, required=True, metavar="N", help="how many cans report")
        parser.add_argument("--every", type=every, required=True, metavar="15m", help="how often: 30s, 15m, 2h, 1d")
        parser.add_argument("--region", default=REGION, help=f"whose prices ({REGION})")
        parser.add_argument("--prices", type=Path, default=TABLE, metavar="FILE", help=f"a table as {TABLE.name}")
        parser.add_argument(
            "--measured", type=Path, default=FIGURES, metavar="FILE", help="figures that `make bench` wrote by --json"
        )
        parser.add_argument("--json", action="store_true", help="the bill as one JSON object")

    def handle(self, *, cans: int, every: int, json: bool, **options: Any) -> None:
        """Print the bill."""
        fleet = Fleet(cans, every, settings.TRASH_HISTORY_DAYS)
        try:
            measured, prices = Measured.load(options["measured"]), load(options["prices"], options["region"])
        except (InvalidPrices, NotMeasured, OSError) as error:
            raise CommandError(str(error)) from error
        lines = monthly_bill(fleet, measured, prices)
        if json:
            self.stdout.write(dumps(as_json(fleet, measured, prices, lines), indent=1))
            return
        for line in as_text(fleet, measured, prices, lines):
            self.stdout.write(line)
