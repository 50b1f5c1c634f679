"""What a defect is answered by: neither the database, which this test may not ask, nor AWS, of which there is none."""

from __future__ import annotations

from typing import NoReturn

import pytest
from django.test import Client

from reports.web import probes


@pytest.mark.parametrize(
    ("accept", "media_type", "words"),
    [
        ("text/html", "text/html; charset=utf-8", "This page failed"),
        ("application/json", "application/problem+json", "defect"),
    ],
)
def test_a_defect_is_told_in_plain_words(
    monkeypatch: pytest.MonkeyPatch, accept: str, media_type: str, words: str
) -> None:
    def fail(*_: object) -> NoReturn:
        raise ZeroDivisionError

    monkeypatch.setattr(probes.LiveView, "get", fail)

    answer = Client(raise_request_exception=False).get("/health/live", headers={"Accept": accept})

    assert (answer.status_code, answer["Content-Type"]) == (500, media_type)
    assert words in answer.content.decode()
