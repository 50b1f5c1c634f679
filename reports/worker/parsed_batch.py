"""A batch of messages with what is in them, and which of them brought what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Self

from reports import formats
from reports.formats.readings import Reading
from reports.report import InvalidReport, Report
from reports.worker import senders, uplinks
from trashsite.sqs.delivery import Delivery

#: What becomes of readings that no report comes of.
READINGS = ("repeated", "held", "ignored", "waiting")
#: A message, and what is in it but for readings.
Parsed = tuple[Delivery, list[Report | InvalidReport]]


class ParsedBatch(NamedTuple):
    """
    A batch of messages.

    parsed: its messages with what is in them, but for readings, and without those that are `unread`. received: how much
    is in them, readings included.
    judged: what became of the readings, None where there are none.
    """

    parsed: Sequence[Parsed]
    received: int
    judged: uplinks.Judged | None

    @classmethod
    def of(cls, deliveries: Sequence[Delivery]) -> Self:
        """Parse messages, and judge the readings in them. Raises StoreUnavailable where there are some."""
        elements = [(delivery, parse(delivery)) for delivery in deliveries]
        if any(type(each) is Reading for _, sent in elements for each in sent):
            judged = uplinks.judge(elements)
            return cls(judged.parsed, judged.received, judged)
        return cls(elements, sum(len(sent) for _, sent in elements), None)  # type: ignore[arg-type]

    def reports(self) -> list[Report]:
        """Return its reports."""
        return [each for _, results in self.parsed for each in results if isinstance(each, Report)]

    def without(self, deliveries: Iterable[Delivery]) -> list[Parsed]:
        """Return all messages but these, with what is in them."""
        # Not each with each: of a hundred messages that is 5,000 comparisons.
        left_out = {each.receipt_handle for each in deliveries}
        return [each for each in self.parsed if each[0].receipt_handle not in left_out]

    @property
    def unread(self) -> Sequence[Delivery]:
        """Messages that are not parsed, and have to come again: a sensor's entry cannot be read (uplinks.Judged)."""
        return self.judged.unread if self.judged else ()

    def readings(self) -> Counter[str]:
        """Count the readings that no report came of, by what became of them."""
        return Counter({name: getattr(self.judged, name) for name in READINGS} if self.judged else {})


def parse(delivery: Delivery, check_can_id: Callable[[str], None] | None = None) -> list[formats.Element]:
    """
    Return what is in a message.

    check_can_id: raises InvalidReport for a can that is refused; where there is none, the sender's own cans decide.
    """
    if delivery.why_unreadable:
        return [InvalidReport("message", delivery.why_unreadable, text=delivery.body)]
    check = check_can_id or senders.check_for(delivery.sender_id)
    return formats.parse(delivery.body, delivery.sent_at, check_can_id=check)


def messages_of(reports: Sequence[Report], parsed: Sequence[Parsed]) -> list[Delivery]:
    """Return the messages that brought some of these reports."""
    if not reports:
        return []
    wanted = {id(report) for report in reports}
    return [delivery for delivery, results in parsed if any(id(result) in wanted for result in results)]


def brought_by(reports: Sequence[Report], parsed: Sequence[Parsed]) -> list[Report]:
    """Return those of some reports that these messages brought."""
    brought = {id(each) for _, results in parsed for each in results}
    return [each for each in reports if id(each) in brought]


def without_invalid(parsed: Sequence[Parsed]) -> list[Delivery]:
    """Return the messages without an invalid report."""
    return [each[0] for each in parsed if not invalid_in([each])]


def invalid_in(parsed: Sequence[Parsed]) -> list[InvalidReport]:
    """Return the invalid reports of messages."""
    return [each for _, results in parsed for each in results if isinstance(each, InvalidReport)]
