"""
The containers: the file is well formed, and nothing in it is laxer than it should be.

compose-spec.json is the Compose Specification's own schema (github.com/compose-spec/compose-go, Apache-2.0).
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE_FILE = ROOT / "docker-compose.yml"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(COMPOSE_FILE.read_text())
    return loaded


def test_the_file_follows_the_specification(compose: dict[str, Any]) -> None:
    schema = json.loads((Path(__file__).parent / "compose-spec.json").read_text())
    jsonschema.validate(compose, schema)


def test_docker_compose_itself_takes_the_file() -> None:
    docker = shutil.which("docker")
    command = [docker or "docker", "compose"]
    if not docker or subprocess.run([*command, "version"], capture_output=True, check=False).returncode:
        pytest.skip("docker compose is not installed; the specification's schema was checked")
    done = subprocess.run(
        [*command, "--file", str(COMPOSE_FILE), "config", "--quiet"],
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "DJANGO_SECRET_KEY": "any"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_every_container_is_confined(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name


def test_only_what_people_open_is_published_and_on_this_machine_alone(compose: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
    assert published == {
        "web": ["127.0.0.1:${PORT:-8000}:8000"],
        "prometheus": ["127.0.0.1:${PROMETHEUS_PORT:-9090}:9090"],
        "grafana": ["127.0.0.1:${GRAFANA_PORT:-3000}:3000"],
    }


def test_the_sites_secrets_and_database_are_the_sites_alone(compose: dict[str, Any]) -> None:
    def holders(name: str) -> set[str]:
        return {each for each, service in compose["services"].items() if name in service.get("environment", {})}

    assert holders("DJANGO_SECRET_KEY") == {"web"}
    assert holders("DATABASE_URL") == {"web", "provision"}
    assert holders("TRASH_REDRIVE_KEY") == {"web", "worker"}
    mounts = {name for name, service in compose["services"].items() if "site:/data" in service.get("volumes", ())}
    assert mounts == {"web", "provision"}


def test_what_the_image_copies_is_in_what_the_engine_is_sent() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    files = {file for line in copied for file in line.split()} - {"."}
    sent = set(re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
    assert files
    assert files - sent == set()


def test_containers_never_run_in_local_mode(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert "TRASH_LOCAL" not in service.get("environment", {}), name
    assert "TRASH_LOCAL" not in (ROOT / "Dockerfile").read_text()
