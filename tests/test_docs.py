"""What the README says is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def test_every_setting_is_in_the_readme() -> None:
    source = (ROOT / "trashsite" / "settings.py").read_text()
    read = set(re.findall(r'"((?:TRASH|DJANGO)_[A-Z_]+|DATABASE_URL)"', source))
    assert {name for name in read if f"`{name}`" not in README} == set()


def test_every_setting_in_the_readme_is_read() -> None:
    source = (ROOT / "trashsite" / "settings.py").read_text()
    told = set(re.findall(r"`((?:TRASH|DJANGO)_[A-Z_]+)`", README))
    assert {name for name in told if name not in source} == set()


def test_every_dependency_is_explained_in_the_readme() -> None:
    needed = re.findall(r"^([a-z][a-z0-9-]*)", (ROOT / "requirements.in").read_text(), re.MULTILINE)
    table = README.partition("| dependency | why |")[2].partition("\n\n")[0]
    missing = {name for name in needed if name not in table and name.rpartition("-")[2] not in table}
    assert missing == set()


def test_every_make_target_in_the_documents_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    told = {name for page in PAGES for name in re.findall(r"`make (?:-s )?([a-z]+)", page.read_text())}
    assert told - targets == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!http|#)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_is_named_exists(page: Path) -> None:
    text = page.read_text()
    names = re.findall(r"`((?:trashsite|reports|tests|stack|deploy|docs|simulator|bench)/[a-z_./-]+)`", text)
    assert [name for name in names if not (ROOT / name).exists()] == []
