"""What `make faults` does around a scenario."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import pytest
from django.test import override_settings

from tests.faults.results import PlannedRun, Results
from tests.faults.run import Run, Scenario
from tests.faults.runner import Place
from tests.support.kind import KIND
from trashsite import aws


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    # It sets the addresses of its servers: what they were comes back.
    with (
        patch.dict(os.environ, TRASH_SUFFIX="runner"),
        override_settings(TRASH_SUFFIX="runner"),
        closing(Place("runner", tmp_path, KIND)) as made,
    ):
        yield made
    aws.forget()


def test_a_scenario_that_ended_badly_leaves_nothing_to_the_next(place: Place, tmp_path: Path) -> None:
    def leave(run: Run) -> None:
        run.load.canary()
        raise RuntimeError("as it may")

    left = PlannedRun("left", "threads")
    results = Results("runner", KIND, folder=tmp_path)
    place.play(Scenario(left.scenario, leave, starts=True), left, results)
    result = results.result(left)
    assert result
    assert result.problems[0] == "gave up: RuntimeError('as it may')"
    # What waits is not lost.
    assert result.problems[1].endswith("messages were still in the queue, so what is lost is not known")
    assert len(result.problems) == 2
    assert result.lost == 0
    assert place.pipeline().depth() == 0
    assert place.pipeline().letters() == []
