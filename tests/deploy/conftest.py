"""What the tests of a deployment can ask for beside the others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.kind import KIND
from tests.support.servers import aws_stand_ins


@pytest.fixture(scope="module")
def stand_ins(stand_ins: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """
    The stand-ins of all tests; Java's own ones for each file.

    DynamoDB Local 3.3.1 has ten threads for such work, of which each table whose rows expire keeps one for ever: with
    seven of these no index is ever added to a table (seen on 27 November 2026). A file that adds some makes no more.
    """
    if KIND == "embedded":
        yield stand_ins
        return
    with aws_stand_ins(tmp_path_factory.mktemp("own"), KIND) as environ:
        yield environ
