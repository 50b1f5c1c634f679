"""Apply the calibrations that cans have now to the reports that are stored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from reports import queue, register_sources, store
from reports.formats import registered
from reports.formats.mounting import Mounting as MountingValue
from reports.formats.recalibration import recalibrated
from reports.insight import alert_rule
from reports.queue import QueueUnavailable
from reports.rule_entries import rules_on
from reports.sensor_models import Mounting
from reports.store import StoreUnavailable


class Command(BaseCommand):
    help = (
        "Gives the stored reports of sensors the levels that their distances have by the present calibrations of their "
        "cans, in history, summaries, charts and the cans' rows. A report whose distance would be held now stays as it "
        "is. Safe to run again, also after it was stopped. It needs the database's address and the workers' rights."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("can_ids", nargs="*", metavar="CAN", help="the cans; none: every can with a calibration")

    def handle(self, *args: Any, **options: Any) -> None:
        cans = changed = 0
        try:
            for can_id in options["can_ids"] or _calibrated_cans():
                count = _recalibrate(can_id)
                cans += 1
                changed += count
                if count:
                    self.stderr.write(f"can {can_id}: {count} reports")
        except (StoreUnavailable, QueueUnavailable) as error:
            raise CommandError(f"{error} {changed} reports are changed; run it again for the others.") from error
        self.stdout.write(f"changed {changed} reports of {cans} cans")


def _calibrated_cans() -> Iterator[str]:
    found = Mounting.objects.exclude(empty_mm=None).order_by("can_id")
    return found.values_list("can_id", flat=True).distinct().iterator()


def _recalibrate(can_id: str) -> int:
    """Recalibrate one can, and return how many reports that changed. Raises StoreUnavailable, QueueUnavailable."""
    mountings = _mountings_of(can_id)
    if not mountings:
        return 0
    count, now = 0, timezone.now()
    since = min(each.since for mine in mountings.values() for each in mine)
    for page in store.stored_reports(can_id, since, now):
        pairs = [(report, new) for report in page if (new := recalibrated(report, mountings))]
        store.replace_reports(pairs)
        count += len(pairs)
    # Also where nothing is left to change: an earlier run may have been stopped before this.
    queue.publish_alerts(store.fold_can_again(can_id, now, alert_rule.any_of(rules_on())))
    return count


def _mountings_of(can_id: str) -> dict[str, tuple[MountingValue, ...]]:
    """Return, by key, the mountings of the sensors that were ever in a can."""
    keys = set(Mounting.objects.filter(can_id=can_id).values_list("sensor__key", flat=True))
    texts = register_sources.sensor_texts(sorted(keys))
    return {key: registered.from_text(text).mountings for key, text in texts.items()}
