"""What the store says of a write, and when it cannot do what was asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from reports.insight.change import Change
from reports.report import Report
from trashsite.aws import AwsError, AwsUnavailable

#: A request that DynamoDB will refuse for ever: a defect of ours or a poisonous report, not an outage.
DEFECTS = frozenset({"Validation", "ValidationException", "SerializationException", "Serialization", "ValidationError"})

#: Source: AWS, BatchStatementError: codes of a statement that may pass when it is tried again.
THROTTLING = frozenset(
    {
        "InternalServerError", "ProvisionedThroughputExceeded", "RequestLimitExceeded", "ThrottlingError",
        "TransactionConflict",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What became of the reports given.

    stored: all that are newly stored. older: of these, those older than their can's newest. repeated: those that
    were stored before, as far as can be told: an older one that comes again counts as stored. throttled: those of which
    DynamoDB takes no more for now, as of a can that sends without pause, or whose row too many workers write at once;
    try them later. refused: those of new cans that were not admitted. new: how many cans had no row before. emptied:
    how many emptyings were confirmed by reports that came in order. changes: of cans' statuses, that are to be told.
    """

    stored: int = 0
    older: int = 0
    repeated: int = 0
    throttled: tuple[Report, ...] = ()
    refused: tuple[Report, ...] = ()
    new: int = 0
    emptied: int = 0
    changes: tuple[Change, ...] = ()


class StoreUnavailable(Exception):
    """
    The store did not answer, is throttled, or its tables are missing.

    unsaved: the reports that are not yet stored; outcome: what became of the others.
    """

    def __init__(self, reason: object, unsaved: Sequence[Report] = (), outcome: Outcome | None = None) -> None:
        super().__init__(str(reason))
        self.unsaved = unsaved
        self.outcome = outcome or Outcome()


@contextmanager
def as_store_errors() -> Iterator[None]:
    """Turn what AWS said into the store's words; only a defect stays an AwsError."""
    try:
        yield
    except AwsUnavailable as error:
        raise StoreUnavailable(error) from error
    except AwsError as error:
        if error.code in DEFECTS:
            raise
        raise StoreUnavailable(error) from error
