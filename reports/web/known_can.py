"""A can that is asked for by its id: what is kept of it, or 404."""

from __future__ import annotations

from reports import store
from reports.insight.cycles import Emptied, Stage
from reports.insight.fold import Row
from reports.models import Facts, facts_of_one
from reports.report import MAX_CAN_ID
from reports.web import database
from reports.web.problems import DatabaseAway, UnknownCan


def known_row(can_id: str) -> Row | None:
    """
    Return what is kept of a can, None where only facts of it are known.

    Raises UnknownCan where nothing is known, DatabaseAway where that is not told, StoreUnavailable.
    """
    check_id(can_id)
    row = store.latest_row(can_id)
    if row is None:
        known_facts(can_id)
    return row


def check_id(can_id: str) -> None:
    """Raise UnknownCan for what can be no can's id: store and database need not be asked, and would refuse it."""
    if len(can_id) > MAX_CAN_ID or "\x00" in can_id:
        raise UnknownCan


def check_known(can_id: str) -> None:
    """Raise UnknownCan where neither a report nor facts of a can are stored, DatabaseAway where that is not told."""
    if store.latest(can_id) is None:
        known_facts(can_id)


def known_facts(can_id: str) -> Facts:
    """Return the facts of a can without a report. Raises UnknownCan where none are known, DatabaseAway."""
    facts, is_told = database.ask(lambda: facts_of_one(can_id))
    if not is_told:
        raise DatabaseAway
    if facts is None:
        raise UnknownCan
    return facts


def undecided(row: Row | None) -> list[Emptied]:
    """Return the emptying that no later report has confirmed yet, if there is one: it is in the can's row alone."""
    newest = row.state.last_emptied(row.rules) if row and row.state else None
    return [newest] if newest and newest.stage is Stage.PROVISIONAL else []
