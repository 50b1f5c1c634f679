"""`manage.py uplink`: what a message of a sensor becomes, step by step."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from json import dumps
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from reports.formats import parse
from reports.formats.models import InvalidModel
from reports.formats.verdicts import as_json, sentence
from trashsite.logs import one_line

#: A message in SQS has at most 1 MiB.
MAX_BYTES = 1_048_576


class Command(BaseCommand):
    """Reads a message from a file and prints which server, model and fields made what of it; stores nothing."""

    help = "Explain what a sensor's message becomes, and why. Nothing is stored."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the file and --json."""
        parser.add_argument("file", help="a message body as it lies in the queue; - for stdin")
        parser.add_argument("--json", action="store_true", help="the verdict alone, as one JSON object")

    def handle(self, *, file: str, json: bool, **_: Any) -> None:
        """Print the steps and the verdicts, or the verdict as JSON."""
        body = _read(file)
        steps: list[str] = []
        try:
            elements = parse(body, datetime.now(UTC), tell=lambda step, said: steps.append(f"{step:<8} {said}"))
        except InvalidModel as error:
            raise CommandError(f"{error}. Mend the file in reports/formats/models and try again.") from error
        if json:
            self.stdout.write(dumps(as_json(elements), indent=1, ensure_ascii=False))
            return
        for line in (*steps, *(f"verdict  {sentence(element)}" for element in elements)):
            self.stdout.write(one_line(line))


def _read(file: str) -> bytes:
    """Return the body, without the line's end that an editor adds."""
    try:
        raw = sys.stdin.buffer.read(MAX_BYTES + 1) if file == "-" else Path(file).read_bytes()[: MAX_BYTES + 1]
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from error
    if len(raw) > MAX_BYTES:
        raise CommandError(f"{file} has more than {MAX_BYTES} bytes, which no message of SQS has.")
    return raw.strip()
