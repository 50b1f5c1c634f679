"""What is fetched to build and to run in containers has a name that always means the same: a digest or a commit."""

from __future__ import annotations

import re

import pytest

from tests.support.servers import ROOT

#: What names something from elsewhere in a file, and how that is to look.
FROM_ELSEWHERE = {
    "Dockerfile": (r"^ARG BASE=(\S+)", r"[a-z./-]+:[\w.-]+@sha256:[0-9a-f]{64}"),
    "docker-compose.yml": (r"^\s*image: (?!trashsite$)(\S+)", r"[a-z./-]+:[\w.-]+@sha256:[0-9a-f]{64}"),
    ".github/workflows/test.yml": (r"uses: (\S+)", r"[\w/-]+@[0-9a-f]{40}"),
}


@pytest.mark.parametrize("file", FROM_ELSEWHERE)
def test_what_comes_from_elsewhere_cannot_change(file: str) -> None:
    names, form = FROM_ELSEWHERE[file]
    found = re.findall(names, (ROOT / file).read_text(), re.MULTILINE)
    assert found
    assert not [name for name in found if not re.fullmatch(form, name)]


def test_a_stage_of_the_image_begins_with_the_base() -> None:
    bases = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert set(bases) == {"${BASE}"}
