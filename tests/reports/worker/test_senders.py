"""Where senders are listed, each reports its own cans alone."""

from __future__ import annotations

import pytest
from pytest_django.fixtures import Settings

from reports import queue, store, tasks
from reports.report import InvalidReport
from reports.worker import senders
from trashsite.sqs.delivery import ANY_SENDER, Delivery

LISTED = {
    "AROANORTH": ("north-", "park-"), "AROANORTH:gateway-7": ("harbour-",), "AIDAWEB": ("*",), "AIDALAMP": ("lamp",),
}  # fmt: skip


@pytest.fixture(autouse=True)
def listed(settings: Settings) -> None:
    settings.TRASH_SENDERS = LISTED


def allows(sender_id: str, can_id: str) -> bool:
    check = senders.check_for(sender_id)
    try:
        if check:
            check(can_id)
    except InvalidReport as error:
        assert error.field == "can_id"
        assert error.rule == f"must be one that sender {sender_id or 'unknown'} may report (TRASH_SENDERS)"
        return False
    return True


@pytest.mark.parametrize(
    ("sender_id", "can_id", "is_allowed"),
    [
        ("AROANORTH:any-session", "north-1", True),
        ("AROANORTH:any-session", "park-1", True),
        ("AROANORTH:any-session", "south-1", False),
        ("AROANORTH:any-session", "harbour-1", False),
        ("AROANORTH:gateway-7", "harbour-1", True),
        ("AROANORTH:gateway-7", "north-1", False),
        ("AIDAWEB", "anything", True),
        ("AIDALAMP", "lamp7", True),
        ("AIDALAMP", "Lamp7", False),
        ("AROASOUTH:any-session", "north-1", False),
        ("", "north-1", False),
        (ANY_SENDER, "north-1", True),
    ],
)
def test_a_sender_reports_the_cans_of_its_prefixes_alone(sender_id: str, can_id: str, *, is_allowed: bool) -> None:
    assert allows(sender_id, can_id) == is_allowed


def test_where_no_sender_is_listed_everybody_reports_every_can(settings: Settings) -> None:
    settings.TRASH_SENDERS = {}
    assert senders.check_for("AROASOUTH:any-session") is None


def test_a_report_of_another_senders_can_is_set_aside_with_the_rule_and_the_sender(suffix: str) -> None:
    mine, foreign = '{"can_id":"north-1","level":"5"}', '{"can_id":"south-1", "level":"5"}'
    store_messages(f"[{mine},{foreign}]", sender_id="AROANORTH:gateway-9")
    assert store.latest("north-1")
    assert store.latest("south-1") is None
    (letter,) = queue.sample_letters()
    assert (letter.body, letter.index, letter.field) == (foreign, 1, "can_id")
    assert letter.sender_id == "AROANORTH:gateway-9"
    assert letter.error == "must be one that sender AROANORTH:gateway-9 may report (TRASH_SENDERS)"


def store_messages(*bodies: str, sender_id: str) -> None:
    """Do what a worker does with messages of a sender: the local SQS tells none."""
    ids = queue.publish(bodies)
    url = queue.url_of(queue.REPORTS)
    tasks.store_messages(
        [
            Delivery(url, each, each, "handle", body, 1, 1_795_512_600_000, sender_id=sender_id)
            for each, body in zip(ids, bodies, strict=True)
        ]
    )
