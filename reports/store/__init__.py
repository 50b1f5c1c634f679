"""
The store: all that is known of DynamoDB, as verbs. Rows leave as Report or Page, errors as StoreUnavailable.

Three tables: `trash-levels` holds the newest report of each can, `trash-level-history` each report,
`trash-pipeline` the workers' heartbeats, the count of the fleet, the register, and the alerts.
"""

from reports.store.alert_rows import (
    Alert,
    Result,
    Swept,
    acknowledge,
    alerts,
    claim_telling,
    count_in_hour,
    note_result,
    note_swept,
    open_alert,
    swept,
)
from reports.store.batteries import LowBattery, forget_low_batteries, note_low_batteries
from reports.store.can_lists import CanList
from reports.store.dynamodb import LEVELS
from reports.store.emptying_rows import Emptyings, emptyings, kept_emptyings
from reports.store.errors import Outcome, StoreUnavailable
from reports.store.fleet_hours import fleet_hours, put_fleet_hour
from reports.store.heartbeats import Heartbeat, beat, leave, workers
from reports.store.minutes import MOST_MINUTES, Minute, minutes, put_minute
from reports.store.ranking import BUDGET, Order, Ranked, ranked, whole_from
from reports.store.reading import Page, history, latest, latest_row, latest_rows, past_levels, ping, stored_reports
from reports.store.register import bucket_of, read_entry, register_entries, register_versions, write_entries
from reports.store.rows_again import catch_up_some, fold_can_again, hold_in_rows, put_entered
from reports.store.sensors import (
    KeptMessage,
    StoredState,
    Waiting,
    change_states,
    forget_waiting,
    keep_messages,
    kept_messages,
    put_waiting,
    sensor_states,
    waiting_sensors,
)
from reports.store.snapshot import HELD_EVERY_S, MAX_BYTES, Claim, keep_snapshot, snapshot, snapshots
from reports.store.summaries import hourly_history
from reports.store.tables import flaws, missing, provision
from reports.store.told_changes import Watch
from reports.store.walking import (
    KeyRange,
    Met,
    Stretch,
    count,
    every_can,
    from_level,
    id_begins,
    mend,
    silent_until,
    walk,
)
from reports.store.writing import TRIES, put_reports, replace_reports

__all__ = (
    "BUDGET", "HELD_EVERY_S", "LEVELS", "MAX_BYTES", "MOST_MINUTES", "TRIES", "Alert", "CanList", "Claim",
    "Emptyings", "Heartbeat", "KeptMessage", "KeyRange", "LowBattery", "Met", "Minute",
    "Order", "Outcome", "Page", "Ranked", "Result", "StoreUnavailable", "StoredState", "Stretch", "Swept", "Waiting",
    "Watch", "acknowledge", "alerts", "beat", "bucket_of", "catch_up_some", "change_states", "claim_telling",
    "count", "count_in_hour", "emptyings", "every_can", "flaws", "fleet_hours", "fold_can_again",
    "forget_low_batteries", "forget_waiting", "from_level", "history", "hold_in_rows", "hourly_history",
    "id_begins", "keep_messages", "keep_snapshot", "kept_emptyings", "kept_messages", "latest", "latest_row",
    "latest_rows", "leave", "mend", "minutes", "missing", "note_low_batteries", "note_result", "note_swept",
    "open_alert", "past_levels", "ping", "provision", "put_entered", "put_fleet_hour", "put_minute",
    "put_reports", "put_waiting", "ranked", "read_entry", "register_entries", "register_versions", "replace_reports",
    "sensor_states", "silent_until", "snapshot", "snapshots", "stored_reports", "swept",
    "waiting_sensors", "walk", "whole_from", "workers", "write_entries",
)  # fmt: skip
