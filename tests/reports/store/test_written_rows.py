"""Rows that this process wrote are known again while they stand as they were written, and only then."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from reports.insight.fold import fold
from reports.store.keys import order_key
from reports.store.row_items import row_of
from reports.store.rows import item_of
from reports.store.written_rows import remember, row_in
from tests.support.cans import a_report

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


def test_a_row_is_read_anew_once_it_stands_otherwise_than_it_was_written() -> None:
    report = a_report("a row that is remembered", "7.5", NOW)
    row = fold(None, report, order_key(report))
    item = item_of(None, row)
    remember(item, row)
    read = json.loads(json.dumps(item))
    assert row_in(read) is row
    # As the lab's own service writes it: it leaves the version as it is.
    changed = {**read, "level": {"S": "80"}}
    assert row_in(changed) == row_of(changed)
    assert row_in(changed) != row
    assert row_in(None) is None
