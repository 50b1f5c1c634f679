"""What the faults call poison is poison, all of it, and what they call good is good."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from reports.formats import native
from reports.report import EPOCH, InvalidReport, Report
from tests.faults import bodies
from trashsite.sqs.delivery import Delivery
from trashsite.sqs.envelope import unpacked

POISON = list(bodies.poison())


def judged(body: str) -> list[Report | InvalidReport]:
    delivery = unpacked(Delivery("", "id", "id", "handle", body, 1, 1_795_512_600_000), bodies.CALL)
    if delivery.why_unreadable:
        return [InvalidReport("message", delivery.why_unreadable, text=delivery.body)]
    received_at = EPOCH + (datetime.fromisoformat("2026-11-24T09:30:00+00:00") - EPOCH)
    return native.parse(delivery.body, received_at)


def test_there_are_hundreds_of_bodies_and_each_is_there_once() -> None:
    assert len(POISON) == len(dict(POISON)) >= 200


def test_each_body_is_set_aside_whole_and_to_the_character_with_a_reason() -> None:
    for body, field in POISON:
        (found,) = judged(body)
        assert isinstance(found, InvalidReport), body[:200]
        assert found.text == body
        assert found.rule
        assert not field or found.field == field, f"{found} for {body[:200]}"
    assert not bodies.MARKER.exists()


@pytest.mark.parametrize(("body", "good", "bad"), list(bodies.mixed("key")), ids=lambda each: str(each)[:20])
def test_of_a_mixed_body_the_good_reports_are_taken_and_the_bad_text_alone_is_set_aside(
    body: str, good: str, bad: tuple[str, ...]
) -> None:
    results = judged(body)
    assert [each.text for each in results if isinstance(each, InvalidReport)] == list(bad)
    taken = [each for each in results if isinstance(each, Report)]
    assert [each.can_id for each in taken] == [each["can_id"] for each in json.loads(good)]
