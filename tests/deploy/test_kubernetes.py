"""The manifests for Kubernetes: well formed, confined, and of the same commands and variables as everything else."""

from __future__ import annotations

import re
import shutil
import smtplib
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from django.core.management import get_commands, load_command_class
from psycopg import pq

from tests.support.servers import ROOT
from trashsite.names import REPORTS_QUEUE, with_suffix

KUBECTL = Path(sys.prefix) / "bin/kubectl"
#: The oldest release that kubernetes.io supports in November 2026.
RELEASE = "1.34"
#: Kinds of KEDA, which the schemas of Kubernetes do not know.
FOREIGN = {"ScaledObject", "TriggerAuthentication"}


@pytest.fixture(scope="module", params=["base", "eks"])
def manifests(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    """All resources of an overlay, as kubectl would apply them."""
    kubectl = str(KUBECTL) if KUBECTL.exists() else shutil.which("kubectl")
    if not kubectl:
        pytest.skip("kubectl has no wheel for this machine, and none is on the path")
    folder = str(ROOT / "deploy/kubernetes" / request.param)
    done = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def pods(manifests: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for each in manifests:
        if each["kind"] in ("Deployment", "Job"):
            yield each["spec"]["template"]


def containers(manifests: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for pod in pods(manifests):
        yield from (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"])


def named(manifests: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each for each in manifests if each["kind"] == kind}


def test_every_resource_follows_the_schema_of_kubernetes(manifests: list[dict[str, Any]]) -> None:
    for each in manifests:
        if each["kind"] not in FOREIGN:
            kubernetes_validate.validate(each, RELEASE, strict=True)


def test_every_container_is_confined(manifests: list[dict[str, Any]]) -> None:
    for pod in pods(manifests):
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        assert pod["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in containers(manifests):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        }  # fmt: skip
        assert container["resources"]["limits"]["memory"]
    for account in named(manifests, "ServiceAccount").values():
        assert account["automountServiceAccountToken"] is False


def test_the_images_user_is_the_pods(manifests: list[dict[str, Any]]) -> None:
    (uid,) = re.findall(r"--uid (\d+)", (ROOT / "Dockerfile").read_text())
    assert {pod["spec"]["securityContext"]["runAsUser"] for pod in pods(manifests)} == {int(uid)}


def test_every_command_exists(manifests: list[dict[str, Any]]) -> None:
    for container in containers(manifests):
        match container["command"]:
            case ["python", "manage.py", name, *options]:
                load_command_class(get_commands()[name], name).create_parser("manage.py", name).parse_args(options)
            case ["python", "deploy/web.py", "--host", _]:
                pass
            case command:
                assert command == ["celery", "-A", "trashsite", "worker"]


def test_every_variable_is_read_by_somebody_and_none_is_a_secret(manifests: list[dict[str, Any]]) -> None:
    settings = (ROOT / "trashsite/settings.py").read_text()
    libpq = {each.envvar.decode() for each in pq.Conninfo.get_defaults() if each.envvar}
    given = {name for each in named(manifests, "ConfigMap").values() for name in each["data"]}
    assert {name for name in given if f'"{name}"' not in settings} - libpq - {"AWS_REGION"} == set()
    assert [name for name in given if re.search("KEY|PASSWORD|PGUSER", name)] == []


def test_every_reference_leads_somewhere(manifests: list[dict[str, Any]]) -> None:
    maps, accounts = named(manifests, "ConfigMap"), named(manifests, "ServiceAccount")
    for container in containers(manifests):
        for source in container["envFrom"]:
            assert "secretRef" in source or source["configMapRef"]["name"] in maps
    for pod in pods(manifests):
        assert pod["spec"]["serviceAccountName"] in accounts
    labels = [pod["metadata"]["labels"] for pod in pods(manifests)]
    for kind in ("Service", "PodDisruptionBudget", "NetworkPolicy"):
        for each in named(manifests, kind).values():
            spec = each["spec"]
            wanted = spec["selector"] if kind == "Service" else spec.get("selector", spec.get("podSelector"))
            wanted = wanted.get("matchLabels", wanted)
            assert any(wanted.items() <= each.items() for each in labels), (kind, wanted)
    for scaled in named(manifests, "ScaledObject").values():
        assert scaled["spec"]["scaleTargetRef"]["name"] in named(manifests, "Deployment")


@pytest.mark.parametrize("manifests", ["eks"], indirect=True)
def test_keda_looks_at_the_queue_of_the_workers(manifests: list[dict[str, Any]]) -> None:
    (suffix,) = {
        each["data"]["TRASH_SUFFIX"]
        for each in named(manifests, "ConfigMap").values()
        if "TRASH_SUFFIX" in each["data"]
    }
    (scaled,) = named(manifests, "ScaledObject").values()
    (trigger,) = scaled["spec"]["triggers"]
    assert trigger["metadata"]["queueURL"] == with_suffix(REPORTS_QUEUE, suffix)


def test_a_job_is_deleted_before_the_manifests_are_applied_again(manifests: list[dict[str, Any]]) -> None:
    (job,) = named(manifests, "Job")
    before = [
        (page, earlier)
        for page in (ROOT / "docs").rglob("*.md")
        for earlier, line in pairwise(page.read_text().splitlines())
        if line.strip().startswith("kubectl apply --kustomize")
    ]
    assert len(before) > 1
    assert [page for page, line in before if not line.endswith(f"delete job {job} --ignore-not-found")] == []


def test_a_worker_reaches_a_mail_server_and_prometheus_the_worker(manifests: list[dict[str, Any]]) -> None:
    policy = named(manifests, "NetworkPolicy")["trashsite-worker"]["spec"]
    ports = {port["port"] for rule in policy["egress"] for port in rule["ports"]}
    # Those of smtps:// and smtp:// (TRASH_SMTP).
    assert ports == {smtplib.SMTP_SSL_PORT, 587}
    pod = named(manifests, "Deployment")["trashsite-worker"]["spec"]["template"]["spec"]
    environ = {each["name"]: each["value"] for each in pod["containers"][0]["env"]}
    (rule,) = policy["ingress"]
    assert [str(port["port"]) for port in rule["ports"]] == [environ["TRASH_METRICS_PORT"]]


def test_a_pod_that_ends_is_first_taken_out_of_the_service(manifests: list[dict[str, Any]]) -> None:
    pod = named(manifests, "Deployment")["trashsite-web"]["spec"]["template"]["spec"]
    (web,) = pod["containers"]
    # What is under way takes web.py's five seconds at most.
    assert web["lifecycle"]["preStop"]["sleep"]["seconds"] + 5 < pod["terminationGracePeriodSeconds"]
