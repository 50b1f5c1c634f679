"""Every command in the documents runs as it is written, and prints what they say."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.blocks import Block, blocks
from tests.docs.shell import Shell, Stack
from tests.support.servers import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / ".github").rglob("*.md")])
BLOCKS = {document: list(blocks(document)) for document in DOCUMENTS}
COMMANDS = {document: [each for each in found if each.language == "sh"] for document, found in BLOCKS.items()}
#: In the order in which a reader meets them: commands, and changes of files.
TO_RUN = {
    document: [each for each in found if each.language in {"sh", "diff"} and not each.why_not_run]
    for document, found in BLOCKS.items()
}
LANGUAGES = {"sh", "text", "diff", "json", "mermaid", "sql", "toml"}


def name(document: Path) -> str:
    return str(document.relative_to(ROOT))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One `make run` for all documents."""
    stack = Stack(tmp_path_factory.mktemp("documents") / "data")
    yield stack
    stack.stop()


def copied(to: Path) -> Path:
    """
    Copy the project without what make installs, to which links lead, and without what tests and runs leave.

    Compiled modules and the cache of import contracts come along: both are made anew where a file has changed.
    """
    installed = (".venv", "stack/.node", "stack/.embedded", "stack/node_modules")
    caches = (".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis")
    # Python names a compiled module so until it is whole: another process may rename it while this one copies.
    unfinished = "*.pyc.*"
    left = (".git", ".data", *caches, "results", "lib", "staticfiles", unfinished)
    nothing = shutil.ignore_patterns(*left, *(Path(each).name for each in (*installed, "stack/.uv", "stack/.aws")))
    shutil.copytree(ROOT, to, ignore=nothing)
    for each in installed:
        (to / each).symlink_to(ROOT / each)
    return to


@pytest.mark.parametrize("document", [each for each in DOCUMENTS if TO_RUN[each]], ids=name)
def test_every_command_runs_as_the_document_says(document: Path, stack: Stack, tmp_path: Path) -> None:
    stack.run()
    changes_files = any(block.language == "diff" for block in TO_RUN[document])
    shell = Shell(stack, tmp_path, copied(tmp_path / "copy") if changes_files else ROOT)
    try:
        for block in TO_RUN[document]:
            shell.run(block)
    finally:
        shell.close()


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_block_says_what_it_is(document: Path) -> None:
    text = document.read_text()
    assert {block.language for block in BLOCKS[document]} <= LANGUAGES
    assert text.count("\n```") == 2 * len(BLOCKS[document]), "a fence that is indented, or never ends"
    assert not re.search(r"\n\n    \S", text), "an indented block, which no test would run"
    comments = {block.comment for block in COMMANDS[document] if not block.why_not_run}
    assert comments <= {"", "again"}


def test_a_block_is_not_run_for_a_reason_alone() -> None:
    reasons = [block.why_not_run for found in COMMANDS.values() for block in found if block.why_not_run]
    assert all(len(reason) > 20 for reason in reasons)


def test_output_that_differs_is_found() -> None:
    block = Block(Path(), 1, "sh", "", "", '{"can_id":"1",...,"status":"OK"}\n')
    assert block.prints('{"can_id":"1","level":"5",\n"status":"x","status":"OK"}\n')
    assert not block.prints('{"can_id":"1","level":"5"}')
    assert not block.prints("")


@pytest.mark.parametrize(
    ("commands", "prints"),
    [("false\necho done\n", "done"), ('eval "$(false)"\n', ""), ("echo one\n", "two"), ("no-such-command\n", "...")],
)
def test_a_command_that_fails_or_prints_something_else_is_found(tmp_path: Path, commands: str, prints: str) -> None:
    shell = Shell(Stack(tmp_path / "data"), tmp_path, ROOT)
    try:
        with pytest.raises(AssertionError, match=r"README\.md:7: failed="):
            shell.run(Block(ROOT / "README.md", 7, "sh", commands, "", prints))
        shell.run(Block(ROOT / "README.md", 8, "sh", "folder=$PWD\n", ""))
        shell.run(Block(ROOT / "README.md", 9, "sh", "echo in $folder\n", "", f"in {ROOT}"))
    finally:
        shell.close()


def test_a_port_of_the_documents_becomes_one_of_the_stack(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "data")
    stack.ports = {8000: 9090, 9090: 80001}
    assert stack.here("localhost:8000/a 80001 9090") == "localhost:9090/a 80001 80001"
