"""`manage.py backtest FILE.csv`: how good forecasts and emptied events would have been on past levels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from reports.insight.backtest import Judged, Replay, figures
from reports.insight.state import rules_for
from reports.management import levels_csv
from reports.management.figures_table import table
from reports.management.levels_csv import InvalidFile


class Command(BaseCommand):
    """Replays levels in their order, never looking ahead, and prints a table by stream and method."""

    help = "Replay past levels without looking ahead and print how good each forecast method was, by stream."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the file, where to write what was said, the threshold and the seed."""
        parser.add_argument("file", type=Path, help="CSV, plain or .gz: can_id, stream, measured_at, level")
        parser.add_argument("--forecasts", type=Path, metavar="OUT", help="write every forecast to this CSV file")
        parser.add_argument(
            "--events", type=Path, metavar="OUT", help="write every confirmed emptying to this CSV file"
        )
        parser.add_argument("--threshold", type=int, choices=(40, 80), default=80, help="percent that is full (80)")
        parser.add_argument("--seed", type=int, default=1, help="of the bootstrap intervals in the table (1)")

    def handle(self, file: Path, threshold: int, seed: int, **options: Any) -> None:
        """Replay can by can and print the table."""
        judged: list[Judged] = []
        try:
            cans = levels_csv.read_levels(file)
            total = sum(len(past.readings) for past in cans.values())
            bar = tqdm(total=total, unit=" readings", disable=not self.stderr.isatty())
            with bar, levels_csv.Sayings(options["forecasts"], options["events"]) as sayings:
                for can_id, past in cans.items():
                    replay = Replay(past.stream, past.readings, rules_for(past.stream, threshold))
                    for said in replay:
                        sayings.write(can_id, said)
                        bar.update()
                    judged += replay.judged
        except (InvalidFile, OSError) as error:
            raise CommandError(f"{error}. Name a CSV file of levels, and files that can be written.") from error
        for line in table(figures(judged, seed)):
            self.stdout.write(line)
