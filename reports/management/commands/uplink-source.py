"""Make a source of uplinks, or give one a new secret."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from reports.sensor_models import UplinkSource


class Command(BaseCommand):
    help = (
        "Makes a source that may send uplinks to POST /uplinks/NAME, and prints its secret for the header "
        "X-Uplink-Secret. The secret is shown once; run it again for a new one, which makes the old one void. "
        "--close refuses the source from now on."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="letters, digits, - and _: it stands in the address")
        parser.add_argument("--close", action="store_true", help="refuse what it sends from now on")

    def handle(self, *args: Any, **options: Any) -> None:
        source = UplinkSource.objects.filter(name=options["name"]).first() or UplinkSource(name=options["name"])
        if options["close"]:
            if not source.digest:
                raise CommandError(f"There is no source {source.name}.")
            source.is_open = False
            source.save()
            return
        secret = source.new_secret()
        source.is_open = True
        try:
            source.clean_fields(exclude=["digest"])
        except ValidationError as error:
            raise CommandError(f"The name must be 1-40 letters, digits, - and _: {error}") from error
        source.save()
        self.stderr.write(f"Send uplinks to POST /uplinks/{source.name} with the header X-Uplink-Secret:")
        self.stdout.write(secret)
