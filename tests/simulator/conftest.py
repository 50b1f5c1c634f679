"""What the simulator's tests can ask for."""

from __future__ import annotations

import pytest

from tests.simulator.scene import Scene


@pytest.fixture
def scene() -> Scene:
    """A run's clock, queue and screen, all of them ours."""
    return Scene()
