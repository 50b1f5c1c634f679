"""The rules of alerts as this process knows them from the register: at most 10 s old, or the last ones it read."""

from __future__ import annotations

import json
from collections.abc import Sequence

from reports.insight.alert_rule import LISTED, AlertRule, any_of, rule_from_text
from reports.register_kinds import ALERT
from reports.store import StoreUnavailable, Watch
from reports.worker.register import Register
from trashsite.outage import Outage


def _parsed(text: str) -> AlertRule | list[str]:
    """Return the list of ids, or a rule."""
    return json.loads(text) if text.startswith("[") else rule_from_text(text)


ENTRIES: Register[AlertRule | list[str]] = Register(ALERT, _parsed)
_reading = Outage("reading the rules of alerts")
_last: Sequence[AlertRule] | None = None


def current() -> Sequence[AlertRule]:
    """
    Return all rules that are switched on.

    While the register cannot be read these are the last ones that were: reports do not wait for rules. Raises
    StoreUnavailable where none were ever read: what has to be told would be lost.
    """
    global _last  # noqa: PLW0603
    try:
        listed = ENTRIES.entries([LISTED]).get(LISTED)
        ids = listed if isinstance(listed, list) else []
        found = ENTRIES.entries(ids)
        _last = [rule for id_ in ids if isinstance(rule := found.get(id_), AlertRule)]
        _reading.ended()
    except StoreUnavailable as error:
        if _last is None:
            raise
        _reading.failed(error)
    return _last


def watch() -> Watch | None:
    """Return what says whether any rule tells of a change; None while there are no rules: then nothing is compared."""
    return any_of(current())


def forget() -> None:
    """Forget all rules, as between tests."""
    global _last  # noqa: PLW0603
    _last = None
    ENTRIES.forget()
