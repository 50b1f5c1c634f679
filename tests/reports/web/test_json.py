"""Answers as JSON text."""

from __future__ import annotations

from reports.web.answers import JsonText
from reports.web.rendering import to_json


def test_ready_text_stands_in_an_answer_as_it_is() -> None:
    assert to_json({"level": JsonText("1.500"), "name": "é"}) == '{"level":1.500,"name":"é"}'.encode()


def test_half_of_a_surrogate_pair_becomes_the_text_of_its_escape() -> None:
    data = {"a\ud800": ["b\udfff", JsonText('{"c":"\ud800"}'), None, 1.5, True]}

    assert to_json(data) == rb'{"a\\ud800":["b\\udfff",{"c":"\ud800"},null,1.5,true]}'
