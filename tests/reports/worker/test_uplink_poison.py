"""Each published message with every member removed, retyped and made huge: the worker's judgement stands it all."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from reports import formats, store
from reports.formats import native, sensor_state
from reports.formats.mounting import Calibration, Mounting
from reports.formats.registered import Registered
from reports.report import Report, percent
from reports.store import StoredState
from reports.worker import uplinks
from tests.reports.formats.test_hostile import HUGE, REMOVED, RETYPED, places, put, written
from tests.reports.formats.test_uplinks import EXPECTED, body
from trashsite.sqs.delivery import Delivery

NOW = datetime(2026, 11, 26, 18, 0, tzinfo=UTC)
EVERYWHERE = Registered(
    "",
    (
        Mounting(
            can_id="1",
            since=datetime(2000, 1, 1, tzinfo=UTC),
            calibration=Calibration(version=1, empty_mm=Decimal(10_000), full_mm=Decimal(0), blind_mm=Decimal(20)),
            holds_tilted=False,
        ),
    ),
)
OTHERS = (*RETYPED, *HUGE)


def mutations(message: Any, turn: int) -> Iterator[str]:
    """Yield copies of a message, each with one member at any depth removed or replaced, in the other turn the other."""
    for number, path in enumerate(list(places(message))):
        changed = copy.deepcopy(message)
        put(changed, path, REMOVED if (number + turn) % 2 else OTHERS[7 * number % len(OTHERS)])
        yield written(changed)


@pytest.mark.parametrize("is_registered", [True, False], ids=["registered", "waiting"])
def test_nothing_raises_and_no_report_breaks_a_rule(is_registered: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        uplinks.SENSORS, "entries", lambda keys: dict.fromkeys(keys, EVERYWHERE) if is_registered else {}
    )
    monkeypatch.setattr(store, "sensor_states", lambda keys: dict.fromkeys(keys, StoredState()))
    count = stored = 0
    for name in EXPECTED:
        if not name.endswith(".json"):
            continue
        for number, text in enumerate(mutations(json.loads(body(name)), int(is_registered))):
            delivery = Delivery("q", f"{name}-{number}", f"{name}-{number}", "r", text, 1, int(NOW.timestamp() * 1000))
            elements = formats.parse(text, delivery.sent_at)
            judged = uplinks.judge([(delivery, elements)])
            count += 1
            for element in judged.parsed[0][1]:
                if isinstance(element, Report) and element.can_id == "1":
                    stored += 1
                    level = percent(element.level)
                    assert level is not None and 0 <= level <= 100, (name, text)
                    # What is stored is a report that a device could have sent.
                    (again,) = native.parse(native.dump(element), NOW)
                    assert isinstance(again, Report), (name, text, again)
            for key in judged._told:
                changed = uplinks._changed(judged, key, "")
                assert len(changed) < 4_000
                sensor_state.from_text(changed)
            for seen in judged._sightings.values():
                sensor_state.from_text(seen[-1].told)
    assert count > 1_200
    assert stored > count / 4 if is_registered else stored == 0
