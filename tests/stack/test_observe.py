"""`make observe`: Prometheus beside `make run`, where it is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from stack.observe import command, main
from stack.servers import StackError, free_port
from stack.settings import Settings


def settings(data: Path) -> Settings:
    return Settings.from_environment({"TRASH_DATA": str(data), "WORKER_METRICS_PORT": "1101"})


def test_without_prometheus_it_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert main({}) == 1
    assert "apt install prometheus" in capsys.readouterr().err


@pytest.mark.skipif(not shutil.which("promtool"), reason="Prometheus is not installed; Debian's package is prometheus")
def test_its_configuration_is_one_that_prometheus_takes(tmp_path: Path) -> None:
    started = command(settings(tmp_path), free_port())
    (file,) = [word.partition("=")[2] for word in started if word.startswith("--config.file=")]
    targets = [each["static_configs"][0]["targets"] for each in json.loads(Path(file).read_text())["scrape_configs"]]
    assert targets == [["127.0.0.1:1101"], ["127.0.0.1:9102"]]
    done = subprocess.run(["promtool", "check", "config", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(
    not shutil.which("prometheus"), reason="Prometheus is not installed; Debian's package is prometheus"
)
def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(StackError, match="PROMETHEUS_PORT="):
        command(settings(tmp_path), taken.getsockname()[1])
