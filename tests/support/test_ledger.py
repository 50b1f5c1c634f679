"""The judge itself is judged: each kind of wrong that is planted must be found, and nothing else."""

from __future__ import annotations

import pytest

from tests.support.ledger import Ledger, Said, Stored, Verdict

AT = 1_795_512_600_000_000


def sent() -> Ledger:
    ledger = Ledger()
    ledger.sent('{"can_id":"1","level":"10.0","measured_at":"2026-11-24T09:30:00Z","stream":"glass"}')
    ledger.sent('[{"can_id":1,"level":20.0,"measured_at":"2026-11-24T10:30:01+01:00"}]')
    ledger.sent('{"can_id":"2","level":"5","measured_at":"2026-11-24T09:30:00.000001Z"}')
    # The same again, as SQS may deliver it and a device may send it.
    ledger.sent('{"measured_at":"2026-11-24T09:30:00.000001Z","level":"5","can_id":"2"}')
    ledger.sent_poison("not JSON", '{"can_id":"3"}')
    return ledger


FIRST = Said("1", AT, "10.0", '{"stream": "glass"}')
SECOND = Said("1", AT + 1_000_000, "20.0")
OTHER = Said("2", AT + 1, "5")
LATEST = {"1": (AT + 1_000_000, "20.0"), "2": (AT + 1, "5")}
DEAD = ("not JSON", '{"can_id":"3"}')


def test_what_is_as_it_should_be_passes() -> None:
    verdict = sent().judge(Stored(LATEST, [OTHER, SECOND, FIRST], DEAD))
    assert not verdict, verdict


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (Stored(LATEST, [SECOND, OTHER], DEAD), Verdict([FIRST], [], [], [])),
        (Stored({"1": LATEST["1"]}, [FIRST, SECOND, OTHER], DEAD), Verdict(["2"], [], [], [])),
        (Stored(LATEST, [FIRST, SECOND, OTHER], DEAD[:1]), Verdict([DEAD[1]], [], [], [])),
        (Stored(LATEST, [FIRST, SECOND, OTHER, OTHER], DEAD), Verdict([], [OTHER], [], [])),
        (Stored(LATEST, [FIRST, SECOND, OTHER], (*DEAD, "not JSON")), Verdict([], ["not JSON"], [], [])),
        (
            Stored({**LATEST, "1": (AT, "10.0")}, [FIRST, SECOND, OTHER], DEAD),
            Verdict([], [], ["1"], []),
        ),
        (
            Stored({**LATEST, "2": (AT + 1, "5.0")}, [FIRST, SECOND, OTHER], DEAD),
            Verdict([], [], ["2"], []),
        ),
        (
            Stored(LATEST, [FIRST, SECOND, OTHER, Said("9", AT, "1")], DEAD),
            Verdict([], [], [], [Said("9", AT, "1")]),
        ),
        (Stored({**LATEST, "9": (AT, "1")}, [FIRST, SECOND, OTHER], DEAD), Verdict([], [], [], ["9"])),
        (Stored(LATEST, [FIRST, SECOND, OTHER], (*DEAD, "good")), Verdict([], [], [], ["good"])),
    ],
    ids=[
        "a lost row", "a lost can", "a lost letter", "a row twice", "a letter twice", "a outdated level",
        "other digits", "a phantom row", "a phantom can", "a phantom letter",
    ],
)  # fmt: skip
def test_each_planted_wrong_is_found_and_called_by_its_name(found: Stored, expected: Verdict) -> None:
    assert sent().judge(found) == expected


def test_either_of_two_reports_of_the_last_instant_may_be_shown() -> None:
    ledger = Ledger()
    for level in ("1", "2"):
        ledger.sent(f'{{"can_id":"1","level":"{level}","measured_at":"2026-11-24T09:30:00Z"}}')
    history = [Said("1", AT, "1"), Said("1", AT, "2")]
    assert not ledger.judge(Stored({"1": (AT, "1")}, history))
    assert not ledger.judge(Stored({"1": (AT, "2")}, history))
    assert ledger.judge(Stored({"1": (AT, "3")}, history)).outdated == ["1"]
