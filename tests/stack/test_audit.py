"""`make audit` never calls clean what it could not look up."""

from __future__ import annotations

import json

import pytest

from stack.audit import OUT_OF_REACH, verdict

CLEAN = {"name": "kombu", "version": "5.7.0", "vulns": []}
FLAWED = {"name": "django", "version": "5.2.1", "vulns": [{"id": "GHSA-1", "fix_versions": ["5.2.2"], "aliases": []}]}
SKIPPED = {"name": "boto3", "skip_reason": "Dependency not found on PyPI and could not be audited: boto3 (1.44.5)"}


@pytest.mark.parametrize(
    ("packages", "status", "said"),
    [
        ([CLEAN, CLEAN], 0, "2 packages, none with a known vulnerability"),
        ([CLEAN, FLAWED], 1, "django 5.2.1: GHSA-1, mended in 5.2.2"),
        ([SKIPPED, FLAWED], 1, "django 5.2.1: GHSA-1, mended in 5.2.2"),
        ([CLEAN, SKIPPED], 2, f"1 of 2 packages were not found. {OUT_OF_REACH}"),
    ],
)
def test_each_report_has_its_status_and_words(packages: list[dict[str, object]], status: int, said: str) -> None:
    got, words = verdict(json.dumps({"dependencies": packages, "fixes": []}))

    assert got == status
    assert said in words


@pytest.mark.parametrize("report", ["", "Traceback: no route to host", "[]"])
def test_no_report_is_told_in_a_line_with_what_to_do(report: str) -> None:
    assert verdict(report) == (2, OUT_OF_REACH)
