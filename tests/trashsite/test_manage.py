"""manage.py itself: the way in to every command."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from django.conf import settings

from tests.support.servers import ROOT
from trashsite import __version__


@pytest.mark.parametrize("command", [["help"], ["check", "--help"], ["diffsettings", "--all"]])
def test_a_closed_stdout_ends_a_command_without_a_message(command: list[str]) -> None:
    # Few lines are written only at the end, unless the environment says otherwise.
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=ROOT, env=environ, stdout=writer, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    finally:
        os.close(writer)

    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("argument", ["--version", "version"])
def test_the_version_is_the_projects_own(argument: str) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", argument], cwd=ROOT, capture_output=True, text=True, check=True
    )  # fmt: skip

    assert done.stdout == f"{__version__}\n"
    assert settings.SPECTACULAR_SETTINGS["VERSION"] == __version__
