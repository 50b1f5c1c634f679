"""What the store says when it cannot do what was asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

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


class StoreUnavailable(Exception):
    """The store did not answer, is throttled, or its tables are missing; `unsaved` holds what is not yet stored."""

    def __init__(self, reason: object, unsaved: Sequence[Report] = ()) -> None:
        super().__init__(str(reason))
        self.unsaved = unsaved


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
