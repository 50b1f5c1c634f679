"""`manage.py uplink`: steps for people, one object for programs."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from reports.formats import models
from tests.reports.formats.test_uplinks import EXPECTED, UPLINKS, alike


def output(*arguments: str) -> str:
    out = io.StringIO()
    call_command("uplink", *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.parametrize("name", EXPECTED)
def test_json_has_exactly_the_expected_members(name: str) -> None:
    found = json.loads(output(str(UPLINKS / name), "--json"))
    assert found.keys() == EXPECTED[name].keys()
    assert alike(found, EXPECTED[name]) == {}


def test_each_step_is_explained() -> None:
    lines = output(str(UPLINKS / "sns-chirpstack-em310-udl.json")).splitlines()
    assert [line.split()[0] for line in lines] == [
        "unwrap", "server", "server", "server", "model", "reading", "reading", "reading", "verdict",
    ]  # fmt: skip
    text = "\n".join(lines)
    for said in ("ChirpStack v4", "24E124713B492055", "milesight-em310-udl.toml", "distance = 2116.0, in mm", "tilt"):
        assert said in text
    assert lines[-1].startswith("verdict  store: Milesight EM310-UDL 24E124713B492055, 2116 mm, battery 92 %, tilt")


def test_what_was_refused_is_told_with_field_and_rule(tmp_path: Path) -> None:
    file = tmp_path / "message"
    file.write_text('{"DevEUI_uplink":{"DevEUI":"12"}}')
    assert output(str(file)).splitlines()[-1] == (
        "verdict  invalid: DevEUI_uplink.DevEUI: must be a DevEUI of 16 hexadecimal digits"
    )


def test_our_own_form_is_told_as_such(tmp_path: Path) -> None:
    assert output(str(UPLINKS / "trashsite-own.json")).splitlines() == [
        "own      our own form: it has can_id",
        "verdict  store: can 432, 70.69 %, measured at 2026-11-24T09:30:00Z",
    ]


def test_a_message_may_come_by_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO((UPLINKS / "awsiot-dl-mbx-usebase64.b64").read_bytes())
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(raw))
    assert json.loads(output("-", "--json"))["distance_mm"] == 1234


def test_what_a_device_sent_cannot_steer_the_terminal(tmp_path: Path) -> None:
    file = tmp_path / "message"
    file.write_text(json.dumps({"end_device_ids": {"dev_eui": "12"}, "\x1b[2J\nverdict  store": {}}))
    assert "\x1b" not in output(str(file))
    assert len(output(str(file)).splitlines()) == 4


def test_a_file_that_is_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="missing: No such file"):
        output(str(tmp_path / "missing"))


def test_a_file_larger_than_a_message_can_be_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "large"
    file.write_bytes(b"x" * 1_048_577)
    with pytest.raises(CommandError, match="more than 1048576 bytes"):
        output(str(file))


def test_a_model_that_is_broken_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise models.InvalidModel("ab.toml", "models", "is required")

    monkeypatch.setattr("reports.formats.models.choose", broken)
    with pytest.raises(CommandError, match=r"ab.toml: models: is required. Mend the file"):
        output(str(UPLINKS / "tts-em310-udl.json"))
