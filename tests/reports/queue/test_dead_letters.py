"""Dead letters: what was set aside is seen as it was sent, and goes back, or away, exactly once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import boto3
import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from reports import queue, store
from reports.queue import QueueUnavailable, Rejected, dead_letters, received_letters
from reports.queue.received_letters import Copy, DeadLetter, LetterKind
from reports.report import EPOCH, InvalidReport
from reports.tasks import store_messages
from tests.support.kind import KIND
from trashsite import aws
from trashsite.sqs.delivery import Delivery

pytestmark = pytest.mark.usefixtures("suffix")

SENT_AT = datetime(2026, 11, 20, 9, 30, 0, 123_000, tzinfo=UTC)
GOOD = '{"can_id":"432","level":"70.69"}'


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in has one server, which a receive without waiting asks whole."""
    monkeypatch.setattr(received_letters, "WAIT_S", 0)


def set_aside(
    *texts: str, message_id: str = "", index: int | None = None, field: str = "level", sent_at: datetime = SENT_AT
) -> None:
    """Let the worker's own code set texts aside, each of a message of its own if none is named."""
    queue.quarantine(
        [
            Rejected(
                InvalidReport(field, "is required", text=text, index=index),
                Delivery(
                    queue_url="",
                    message_id="",
                    first_message_id=message_id or f"first-{number}",
                    receipt_handle="",
                    body=text,
                    receive_count=3,
                    sent_at_ms=(sent_at - EPOCH) // timedelta(milliseconds=1),
                ),
            )
            for number, text in enumerate(texts)
        ]
    )


def received(name: str = queue.REPORTS) -> list[Delivery]:
    """Take all messages of a queue, hidden from then on."""
    sqs = boto3.client("sqs")
    taken: list[Delivery] = []
    while messages := sqs.receive_message(
        QueueUrl=queue.url_of(name),
        MaxNumberOfMessages=10,
        WaitTimeSeconds=0,
        MessageAttributeNames=["All"],
        MessageSystemAttributeNames=["All"],
    ).get("Messages"):
        taken += [Delivery.received(queue.url_of(name), message) for message in messages]
    return taken


def work() -> None:
    """Do what a worker does with all that is in its queue."""
    store_messages(received())


def texts(letters: Sequence[DeadLetter]) -> list[str]:
    return sorted(letter.body for letter in letters)


def manage(*arguments: str) -> tuple[str, str]:
    """Run a command and return what it wrote to stdout and stderr."""
    stdout, stderr = StringIO(), StringIO()
    call_command(*arguments, stdout=stdout, stderr=stderr)
    return stdout.getvalue(), stderr.getvalue()


# -- looking ---------------------------------------------------------------------------------------------


def test_a_letter_shows_what_was_sent_and_why_it_was_set_aside() -> None:
    set_aside('{"can_id": "9",\n "n": 1.10, "é": "🗑️"}', message_id="m-1", index=7)
    (letter,) = dead_letters.sample_letters()
    assert letter.body == '{"can_id": "9",\n "n": 1.10, "é": "🗑️"}'
    assert (letter.reason, letter.field, letter.error) == ("invalid", "level", "is required")
    assert (letter.first_message_id, letter.index, letter.sent_at) == ("m-1", 7, SENT_AT)
    assert (letter.receive_count, letter.moved_by_sqs, letter.complete) == (3, False, True)
    assert DeadLetter.from_fields(json.loads(json.dumps(letter.fields()))) == letter


def test_a_sample_has_the_requested_number_and_hides_them_unless_it_releases_them() -> None:
    set_aside(*(f"bad {number}" for number in range(25)))
    assert len(dead_letters.sample_letters(most=12, release=True)) == 12
    held = dead_letters.sample_letters(most=12)
    assert texts(held + dead_letters.sample_letters(most=100)) == sorted(f"bad {number}" for number in range(25))
    assert dead_letters.sample_letters() == []


def test_looking_a_hundred_times_buries_nothing() -> None:
    set_aside("bad")
    seen = [dead_letters.sample_letters(release=True) for _ in range(100)]
    assert {letter.message_id for letters in seen for letter in letters} == {seen[0][0].message_id}
    assert all(len(letters) == 1 for letters in seen)


def test_messages_moved_by_sqs_are_labelled_and_keep_their_id_and_time() -> None:
    before = datetime.now(UTC) - timedelta(seconds=5)
    (message_id,) = queue.publish([GOOD])
    sqs = boto3.client("sqs")
    url = queue.url_of(queue.REPORTS)
    while sqs.receive_message(QueueUrl=url, VisibilityTimeout=0, WaitTimeSeconds=0).get("Messages"):
        pass
    (letter,) = dead_letters.sample_letters()
    assert letter.moved_by_sqs
    assert (letter.reason, letter.field, letter.error, letter.index) == (None, None, None, None)
    assert (letter.body, letter.first_message_id) == (GOOD, message_id)
    assert before < letter.sent_at < datetime.now(UTC)
    assert letter.receive_count > queue.MAX_RECEIVES


def test_a_second_copy_after_a_crash_is_counted_once_and_removed_with_the_first() -> None:
    set_aside("bad", message_id="m-1", index=3)
    set_aside("bad", message_id="m-1", index=3)
    set_aside("bad", message_id="m-1", index=4)
    set_aside("worse", message_id="m-1", index=3)
    letters = dead_letters.sample_letters()
    assert sorted((letter.body, letter.index, len(letter.copies)) for letter in letters) == [
        ("bad", 3, 2),
        ("bad", 4, 1),
        ("worse", 3, 1),
    ]
    assert len(dead_letters.discard([letter for letter in letters if len(letter.copies) == 2]).done) == 1
    assert queue.depth().dead == 2


def test_a_text_set_aside_in_two_parts_is_one_letter_and_goes_back_as_one_message() -> None:
    report = '{"can_id":"9","note":"' + "ž" * (500 * 1024) + '"}'
    text = report + " " * (queue.MAX_BYTES - len(report.encode()))
    set_aside(text, "small")
    assert queue.depth().dead == 3
    letters = {letter.body: letter for letter in dead_letters.sample_letters()}
    assert letters.keys() == {text, "small"}
    assert len(letters[text].copies) == 2
    assert len(dead_letters.redrive(list(letters.values())).done) == 2
    assert sorted(delivery.body for delivery in received()) == sorted([text, "small"])
    assert queue.depth().dead == 0


def test_of_a_text_of_which_one_part_was_seen_nothing_is_sent() -> None:
    set_aside("x" * queue.MAX_BYTES)
    (half,) = dead_letters.sample_letters(most=1)
    assert not half.complete
    assert dead_letters.redrive([half]) == dead_letters.LetterOutcome([], [half.message_id])
    assert queue.depth() == queue.Depth(waiting=0, in_flight=0, dead=2)


def test_a_letter_is_found_by_the_id_of_any_of_its_copies_and_the_others_stay_in_sight() -> None:
    set_aside(*(f"bad {number}" for number in range(30)))
    set_aside("bad 7", message_id="first-7")
    wanted = next(letter for letter in dead_letters.sample_letters(most=100, release=True) if letter.body == "bad 7")
    for copy in wanted.copies:
        (found,) = dead_letters.find_letters([copy.message_id, "no such id"], hidden_s=0)
        assert [each.message_id for each in found.copies] == [each.message_id for each in wanted.copies]
    assert len(dead_letters.sample_letters(most=100)) == 30


# -- redrive and discard ---------------------------------------------------------------------------------


def test_a_redriven_report_keeps_the_time_and_name_of_its_first_message() -> None:
    set_aside(GOOD, message_id="m-1")
    letters = dead_letters.sample_letters()
    assert dead_letters.redrive(letters).done == [letters[0].message_id]
    (delivery,) = received()
    assert (delivery.body, delivery.first_message_id) == (GOOD, "m-1")
    store_messages([delivery])
    stored = store.latest("432")
    assert stored is not None
    assert (stored.level, stored.measured_at, stored.received_at) == ("70.69", SENT_AT, SENT_AT)
    assert queue.depth() == queue.Depth(waiting=0, in_flight=0, dead=0)


def test_an_array_without_room_for_its_time_goes_back_in_pieces_that_keep_it() -> None:
    reports = [f'{{"can_id":"{number}","level":"5","note":"{"x" * 3000}"}}' for number in range(340)]
    text = "[" + ",".join(reports) + "]"
    text += " " * (queue.MAX_BYTES - len(text))
    set_aside(text)
    assert len(dead_letters.redrive(dead_letters.sample_letters()).done) == 1
    work()
    for can_id in ("0", "169", "170", "339"):
        stored = store.latest(can_id)
        assert stored is not None
        assert stored.measured_at == SENT_AT
    assert queue.depth() == queue.Depth(waiting=0, in_flight=0, dead=0)


def test_stopped_between_copy_and_deletion_it_goes_on_and_the_report_is_stored_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_aside(GOOD, "bad")
    ask = dead_letters.request_copies

    def interrupted(operation: str, kind: LetterKind, copies: Sequence[Copy], **fields: int) -> set[Copy]:
        if operation == "DeleteMessageBatch":
            raise KeyboardInterrupt
        return ask(operation, kind, copies, **fields)

    with monkeypatch.context() as patch:
        patch.setattr(dead_letters, "request_copies", interrupted)
        with pytest.raises(CommandError, match=r"0 dead letters were sent back.*same command again to continue"):
            manage("redrive", "--all")
    assert queue.depth() == queue.Depth(waiting=2, in_flight=0, dead=2)
    manage("redrive", "--all")
    work()
    page = store.history("432", since=None, until=None, newest_first=True, after=None, size=10, now=datetime.now(UTC))
    assert [(report.level, report.measured_at) for report in page.items] == [("70.69", SENT_AT)]
    (letter,) = dead_letters.sample_letters()
    assert letter.body == "bad"
    assert len(letter.copies) == 2


@pytest.mark.skipif(KIND == "java", reason="ElasticMQ takes the handle of a message that is visible again")
def test_a_letter_received_by_another_reader_is_to_be_listed_again_and_stays() -> None:
    set_aside("bad", "worse")
    stale = dead_letters.sample_letters(release=True)
    ids = [letter.message_id for letter in stale]
    assert dead_letters.discard(stale) == dead_letters.LetterOutcome([], ids)
    (fresh,) = dead_letters.find_letters([ids[0]])
    assert dead_letters.redrive([stale[1], fresh]) == dead_letters.LetterOutcome([ids[0]], [ids[1]])
    assert queue.depth() == queue.Depth(waiting=1, in_flight=0, dead=1)


def test_what_is_set_aside_again_meanwhile_is_not_sent_in_a_circle(monkeypatch: pytest.MonkeyPatch) -> None:
    set_aside("bad 0", "bad 1", "bad 2", message_id="m-1", index=5)
    monkeypatch.setattr(received_letters, "LETTERS_AT_ONCE", 1)
    copied_back = dead_letters._send_back

    def with_a_quick_worker(letters: Sequence[DeadLetter]) -> list[DeadLetter]:
        sent = copied_back(letters)
        work()
        return sent

    monkeypatch.setattr(dead_letters, "_send_back", with_a_quick_worker)
    assert manage("redrive", "--all")[0] == "sent back 3 dead letters\n"
    again = dead_letters.sample_letters()
    assert (texts(again), {letter.index for letter in again}) == (["bad 0", "bad 1", "bad 2"], {None})


def test_an_outage_is_reported_as_one_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    set_aside("bad")
    letters = dead_letters.sample_letters()
    with monkeypatch.context() as patch:
        patch.setattr(aws, "PATIENCE_S", 0.1)
        patch.setenv("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:9")
        patch.setitem(aws.Client.patiently.__kwdefaults__, "within_s", 0.1)
        aws.forget()
        for attempt in (
            dead_letters.sample_letters,
            lambda: dead_letters.redrive(letters),
            lambda: dead_letters.find_letters(["x"]),
        ):
            with pytest.raises(QueueUnavailable):
                attempt()
        with pytest.raises(CommandError, match="make env"):
            manage("dead-letters")
        with pytest.raises(CommandError, match="make env"):
            manage("redrive", "--all", "--dry-run")
    aws.forget()
    assert dead_letters.redrive(letters).done == [letters[0].message_id]


# -- the commands ----------------------------------------------------------------------------------------


def test_the_list_shows_each_letter_on_one_line_that_cannot_touch_the_terminal() -> None:
    set_aside('{"can_id":\n"\u202e9"}', "\r" + "z" * 500, field="\u2028name")
    stdout, stderr = manage("dead-letters")
    heading, *rows = stdout.splitlines()
    assert heading.split() == ["id", "sent", "(UTC)", "receives", "why", "sender", "text", "array"]
    assert len(rows) == 2
    assert all(row.isprintable() and row.isascii() and len(row) < 200 for row in rows)
    assert any(row.endswith(r'{"can_id":\n"\u202e9"}') for row in rows)
    assert r"\u2028name: is required" in rows[0]
    assert "2026-11-20 09:30:00" in rows[0]
    assert stderr == "2 dead letters: 2 invalid \\u2028name\n"
    # Looking left them in sight.
    assert manage("dead-letters")[0].splitlines()[1:] != []


def test_the_list_tells_who_sent_an_array_and_what_of_it_is_invalid() -> None:
    sender = "AROAEXAMPLEID12345678:gateway"
    sent = Delivery("", "m", "first", "", '[1, {"can_id":"9"}]', 1, 1_795_512_600_000, sender_id=sender)
    store_messages([sent])
    (_, row) = manage("dead-letters")[0].splitlines()
    assert "AROAEXAMPLEID12345678..." in row
    assert row.endswith("  2 of 2 reports, the first at index 0: report 1, level 1")
    (letter,) = json.loads(manage("dead-letters", "--json")[0])
    assert (letter["sender_id"], letter["summary"][:15]) == (sender, "2 of 2 reports,")


def test_the_list_is_json_for_programs_and_can_be_narrowed() -> None:
    set_aside("bad", field="level")
    set_aside("worse", field="can_id", message_id="m-2")
    letters = json.loads(manage("dead-letters", "--json")[0])
    assert sorted(letter["body"] for letter in letters) == ["bad", "worse"]
    (letter,) = json.loads(manage("dead-letters", "--json", "--reason", "can_id")[0])
    assert letter == {
        "message_id": letter["message_id"],
        "reason": "invalid",
        "field": "can_id",
        "error": "is required",
        "summary": None,
        "sender_id": "",
        "first_message_id": "m-2",
        "index": None,
        "sent_at": "2026-11-20T09:30:00.123000Z",
        "receive_count": 3,
        "moved_by_sqs": False,
        "complete": True,
        "copies": [letter["message_id"]],
        "body": "worse",
    }
    assert json.loads(manage("dead-letters", "--json", "--reason", "moved")[0]) == []
    stdout, stderr = manage("dead-letters", "--most", "1")
    assert len(stdout.splitlines()) == 2
    assert "1 of about 2 messages were read" in stderr


def test_an_export_writes_every_letter_to_a_new_file_and_leaves_it_in_the_queue(tmp_path: Path) -> None:
    set_aside(*(f"bad {number}" for number in range(120)))
    file = tmp_path / "dead.jsonl"
    assert "wrote 120 dead letters" in manage("dead-letters", "--export", str(file))[1]
    written = [json.loads(line) for line in file.read_text().splitlines()]
    assert sorted(letter["body"] for letter in written) == sorted(f"bad {number}" for number in range(120))
    assert len(dead_letters.sample_letters(most=200)) == 120
    with pytest.raises(CommandError, match="Name a new file"):
        manage("dead-letters", "--export", str(file))


def test_a_redrive_sends_back_what_was_asked_for_and_nothing_else() -> None:
    set_aside("bad 0", "bad 1")
    set_aside("far 0", "far 1", message_id="m", field="measured_at")
    ids = {letter.body: letter.message_id for letter in dead_letters.sample_letters(release=True)}
    stdout, stderr = manage("redrive", "--reason", "measured_at", "--dry-run")
    assert len(stdout.splitlines()) == 3
    assert stderr == "would send back 2 dead letters: 2 invalid measured_at\n"
    assert queue.depth().waiting == 0
    assert manage("redrive", "--reason", "measured_at")[0] == "sent back 2 dead letters\n"
    assert sorted(delivery.body for delivery in received()) == ["far 0", "far 1"]
    assert "bad 1" in manage("redrive", "--id", ids["bad 1"], "--dry-run")[0]
    assert manage("redrive", "--id", ids["bad 1"])[0] == "sent back 1 dead letters\n"
    assert [delivery.body for delivery in received()] == ["bad 1"]
    with pytest.raises(CommandError, match="1 were not: they are gone"):
        manage("redrive", "--id", ids["bad 1"])
    with pytest.raises(CommandError, match="none about nonsense"):
        manage("redrive", "--reason", "nonsense")
    assert manage("redrive", "--all")[0] == "sent back 1 dead letters\n"
    assert manage("redrive", "--all")[0] == "sent back 0 dead letters\n"


# -- signed ----------------------------------------------------------------------------------------------


def test_a_letter_keeps_its_first_sender_through_any_number_of_redrives() -> None:
    url = queue.url_of(queue.REPORTS)
    sent = Delivery(url, "m", "first", "", "not JSON", 1, 1_795_512_600_000, sender_id="AROAEXAMPLE:gateway")
    store_messages([sent])
    for _ in range(3):
        (letter,) = queue.sample_letters()
        assert (letter.first_message_id, letter.sender_id) == ("first", "AROAEXAMPLE:gateway")
        assert letter.sent_at == sent.sent_at
        queue.redrive([letter])
        work()


def test_a_large_array_is_redriven_in_pieces_each_of_them_signed() -> None:
    array = "[" + ",".join(['{"can_id":"1","pad":"' + "x" * 15_000 + '"}'] * 71) + "]"
    set_aside(array, message_id="first")
    (letter,) = queue.sample_letters()
    assert queue.redrive([letter]).done
    pieces = received()
    assert len(pieces) > 1
    assert {each.first_message_id for each in pieces} == {"first"}


def test_what_a_stranger_says_of_a_message_moved_by_sqs_is_not_believed() -> None:
    # As AWS delivers it; the local SQS does not say from where a message was moved.
    forged = {"message_id": "victim", "sent_at_ms": "1", "reason": "invalid", "field": "level", "error": "is required"}
    attributes = {name: {"DataType": "String", "StringValue": value} for name, value in forged.items()}
    moved = received_letters._read(
        {
            "MessageId": "own", "ReceiptHandle": "handle", "Body": GOOD, "MessageAttributes": attributes,
            "Attributes": {"SentTimestamp": "1795512600000", "DeadLetterQueueSourceArn": "arn:aws:sqs:::trash-level"},
        }
    )  # fmt: skip
    assert moved.facts == {}
    assert moved.delivery.origin == ("own", 1795512600000, "")


def test_without_a_key_nothing_is_sent_back_and_the_command_says_why(settings: Settings) -> None:
    set_aside("bad")
    settings.TRASH_REDRIVE_KEYS = []
    with pytest.raises(CommandError, match=r"^Nothing was sent back: TRASH_REDRIVE_KEY is not set"):
        manage("redrive", "--all")
    # Nor is the letter hidden.
    (letter,) = queue.sample_letters()
    with pytest.raises(queue.RedriveKeyMissing):
        queue.redrive([letter])
    assert received() == []
