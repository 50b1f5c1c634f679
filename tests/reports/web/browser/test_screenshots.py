"""Pictures of the pages, for the README: `make screenshots`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

FOLDER = os.environ.get("SCREENSHOTS")

pytestmark = pytest.mark.skipif(not FOLDER, reason="make screenshots draws them")

SHOTS = [
    ("overview", "/", {}),
    ("overview-dark", "/", {"dark": True}),
    ("over-time", "/over-time", {}),
    ("fleet", "/reports/", {}),
    ("fleet-phone", "/reports/", {"width": 390}),
    ("can", "/reports/420?range=7d", {}),
    ("can-dark", "/reports/420?range=7d", {"dark": True}),
    ("emptyings", "/reports/420/emptyings", {}),
    ("can-phone", "/reports/420?range=7d", {"width": 390}),
    ("collections", "/collections", {}),
    ("pipeline", "/pipeline/", {}),
    ("dead-letters", "/pipeline/dead-letters/", {}),
    ("api", "/api/docs/", {}),
]


@pytest.mark.parametrize(("name", "path", "options"), SHOTS, ids=[shot[0] for shot in SHOTS])
def test_draw(visit: Callable[..., Page], dead_letter: str, name: str, path: str, options: dict[str, object]) -> None:
    page = visit(path, user="operator", **options)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(400)

    page.screenshot(path=Path(str(FOLDER)) / f"{name}.png", scale="css")
