"""
The store: all that is known of DynamoDB, as verbs. Rows leave as Report or Page, errors as StoreUnavailable.

Three tables: `trash-levels` holds the newest report of each can, `trash-level-history` each report,
`trash-pipeline` the workers' heartbeats.
"""

from reports.store.errors import StoreUnavailable
from reports.store.items import LEVELS
from reports.store.pipeline import Heartbeat, beat, leave, workers
from reports.store.ranking import Order, Ranked, each_can, mend, ranked
from reports.store.reading import Page, history, latest, latest_row, ping
from reports.store.snapshot import claim_snapshot, keep_snapshot, snapshot
from reports.store.summaries import HourlyHistory, hourly_history
from reports.store.tables import missing, provision
from reports.store.writing import TRIES, Outcome, put_reports

__all__ = (
    "LEVELS", "TRIES", "Heartbeat", "HourlyHistory", "Order", "Outcome", "Page", "Ranked", "StoreUnavailable", "beat",
    "claim_snapshot", "each_can", "history", "hourly_history", "keep_snapshot", "latest", "latest_row",
    "leave", "mend", "missing", "ping",
    "provision", "put_reports", "ranked", "snapshot", "workers",
)  # fmt: skip
