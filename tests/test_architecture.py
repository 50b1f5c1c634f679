"""What no linter checks of the layout: who knows what, and how long a file may be."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OURS = ("trashsite", "reports", "accounts", "simulator", "stack")
# What make installs below stack is not ours, and much; our own folders there hold no Python.
SOURCES = sorted(
    path for package in OURS for path in (ROOT / package).glob("*.py" if package == "stack" else "**/*.py")
)

#: Names that are DynamoDB's own: whoever writes one knows the store from inside.
DYNAMODB = re.compile(
    r"dynamodb\(\)|KeyConditionExpression|FilterExpression|ExpressionAttribute|BatchExecuteStatement|BatchWriteItem"
)


def outside(*allowed: str) -> list[Path]:
    return [path for path in SOURCES if not str(path.relative_to(ROOT)).startswith(allowed)]


def named(paths: list[Path], pattern: re.Pattern[str]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths if pattern.search(path.read_text())]


def test_the_store_alone_knows_dynamodb() -> None:
    assert named(SOURCES, DYNAMODB)
    assert named(outside("reports/store/"), DYNAMODB) == []


def test_the_settings_alone_read_the_environment() -> None:
    # celery.py and wsgi.py only name the settings module, exposition.py names a folder for its library, and stack/ is
    # no part of the project.
    allowed = ("trashsite/settings.py", "trashsite/celery.py", "trashsite/wsgi.py", "trashsite/exposition.py", "stack/")
    assert named(outside(*allowed), re.compile(r"os\.environ|os\.getenv")) == []


def test_nothing_is_ever_pickled() -> None:
    assert named(SOURCES, re.compile(r"\bpickle\b")) == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_longer_than_500_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 500


def test_no_module_has_a_name_that_says_nothing() -> None:
    empty = {"utils.py", "util.py", "helpers.py", "base.py", "common.py", "constants.py", "misc.py"}
    assert [str(path) for path in SOURCES if path.name in empty] == []
