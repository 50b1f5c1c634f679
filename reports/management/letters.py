"""What the commands for dead letters share: how letters are shown and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from django.core.management.base import CommandParser, OutputWrapper

from reports.queue import DeadLetter, LetterKind
from reports.report import iso
from trashsite.logs import one_line

REASON = (
    "`invalid`, `moved` (by SQS, after too many receives), or the field that broke a rule, as `level`; of alerts "
    "`failed`, or the name of the rule that failed"
)
UNREACHABLE = "{}\nSet AWS_REGION, credentials and, for a local stack, `eval $(make env)`."

_ROW = "{:<36}  {:<19}  {:>8}  {:<40}  {:<24}  {:<60}  {}"
#: Characters of a reason, a sender (a role's id is 21; its session follows) and a text.
_WHY, _SENDER, _TEXT = 40, 24, 60


def add_kind(parser: CommandParser) -> None:
    """Declare --alerts; the option's value is a LetterKind."""
    parser.add_argument(
        "--alerts", dest="kind", action="store_const", const=LetterKind.ALERTS, default=LetterKind.REPORTS,
        help="of alerts that could not be delivered, not of reports",
    )  # fmt: skip


def table(letters: Sequence[DeadLetter]) -> Iterator[str]:
    """
    Yield a line for each letter, below a heading; what a device sent is escaped and cut short.

    The last column says, of an array with many invalid reports, how many these are and which fields broke rules.
    """
    if letters:
        yield _ROW.format("id", "sent (UTC)", "receives", "why", "sender", "text", "array")
    for letter in letters:
        why = "received too often: moved by SQS" if letter.moved_by_sqs else f"{letter.field}: {letter.error}"
        text = letter.body if letter.complete else letter.body + " (the other half was not seen: list again)"
        yield _ROW.format(
            letter.message_id,
            f"{letter.sent_at:%Y-%m-%d %H:%M:%S}",
            letter.receive_count,
            _short(why, _WHY),
            _short(letter.sender_id, _SENDER),
            _short(text, _TEXT),
            one_line(letter.summary or ""),
        ).rstrip()


def as_json(letter: DeadLetter) -> dict[str, Any]:
    """Return a letter as JSON members: all but the handles, which expire soon."""
    return {
        "message_id": letter.message_id,
        "reason": letter.reason or "moved",
        "field": letter.field,
        "error": letter.error,
        "summary": letter.summary,
        "sender_id": letter.sender_id,
        "first_message_id": letter.first_message_id,
        "index": letter.index,
        "sent_at": iso(letter.sent_at),
        "receive_count": letter.receive_count,
        "moved_by_sqs": letter.moved_by_sqs,
        "complete": letter.complete,
        "copies": [copy.message_id for copy in letter.copies],
        "body": letter.body,
    }


def summary(letters: Sequence[DeadLetter]) -> str:
    """Return how many letters there are of which kind: "3 dead letters: 2 invalid level, 1 moved"."""
    kinds = Counter("moved" if each.moved_by_sqs else f"{each.reason} {each.field}" for each in letters)
    counted = ", ".join(f"{number} {one_line(kind)}" for kind, number in kinds.most_common())
    return f"{len(letters)} dead letter{'' if len(letters) == 1 else 's'}" + (f": {counted}" if counted else "")


def _short(text: str, length: int) -> str:
    # Escaping never shortens a text, so it may be cut first.
    line = one_line(text[: length + 1])
    return line if len(line) <= length else line[: length - 3] + "..."


def say(stderr: OutputWrapper, text: str) -> None:
    """Write a line of progress to stderr, without the colour of an error."""
    stderr.write(text, lambda plain: plain)
