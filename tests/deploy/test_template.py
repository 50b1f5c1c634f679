"""What the template says of the code is so: variables, commands, times, sizes."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.management import get_commands, load_command_class
from psycopg import pq

from reports.queue.provisioning import ATTRIBUTES, DEAD_ATTRIBUTES, MAX_RECEIVES
from tests.deploy import wheels
from tests.deploy.template import PATH, containers, template
from tests.support.servers import ROOT

CONTAINERS = list(containers())
RESOURCES = template()["Resources"]


def named(container: dict[str, Any]) -> str:
    return str(container["Name"])


@pytest.mark.parametrize("container", CONTAINERS, ids=named)
def test_every_variable_of_a_container_is_read_by_somebody(container: dict[str, Any]) -> None:
    settings = (ROOT / "trashsite/settings.py").read_text()
    libpq = {each.envvar.decode() for each in pq.Conninfo.get_defaults() if each.envvar}
    given = [each["Name"] for each in (*container["Environment"], *container.get("Secrets", ()))]
    unknown = {name for name in given if f'"{name}"' not in settings} - libpq - {"TMPDIR"}

    assert unknown == set()
    assert len(given) == len(set(given))


@pytest.mark.parametrize("container", CONTAINERS, ids=named)
def test_no_secret_stands_in_the_open(container: dict[str, Any]) -> None:
    open_names = " ".join(each["Name"] for each in container["Environment"])
    assert re.findall("KEY|PASSWORD|PGUSER|SMTP", open_names) == []


def test_each_container_holds_the_secrets_that_it_needs_and_no_other() -> None:
    held = {named(each): {secret["Name"] for secret in each.get("Secrets", ())} for each in CONTAINERS}
    database = {"PGPASSWORD", "PGUSER"}
    assert held == {
        "prepare": {"DJANGO_SECRET_KEY", "TRASH_ADMIN_PASSWORD"} | database,
        "web": {"DJANGO_SECRET_KEY", "DJANGO_SECRET_KEY_FALLBACKS", "TRASH_REDRIVE_KEY"} | database,
        "check": set(), "worker": {"TRASH_REDRIVE_KEY", "TRASH_SMTP"},
        "command": {"TRASH_REDRIVE_KEY", "TRASH_SMTP"} | database,
    }  # fmt: skip


def test_quiet_hours_are_of_one_zone_wherever_rules_may_be_copied() -> None:
    copying = [each for each in CONTAINERS if "TRASH_REDRIVE_KEY" in str(each["Secrets"])]
    assert {named(each) for each in copying} == {"web", "worker", "command"}
    for each in copying:
        assert {"Name": "TRASH_TIME_ZONE", "Value": {"Ref": "TimeZone"}} in each["Environment"]


@pytest.mark.parametrize("container", CONTAINERS, ids=named)
def test_every_container_is_confined(container: dict[str, Any]) -> None:
    assert container["ReadonlyRootFilesystem"] is True
    assert container["LinuxParameters"]["Capabilities"] == {"Drop": ["ALL"]}
    # Fargate has no tmpfs; what programs write of their own accord goes where TMPDIR points.
    (mount,) = container["MountPoints"]
    assert {"Name": "TMPDIR", "Value": mount["ContainerPath"]} in container["Environment"]
    assert f"VOLUME {mount['ContainerPath']}" in (ROOT / "Dockerfile").read_text()


@pytest.mark.parametrize("container", CONTAINERS, ids=named)
def test_every_command_exists(container: dict[str, Any]) -> None:
    match container["Command"]:
        case ["python", "manage.py", name, *options]:
            parser = load_command_class(get_commands()[name], name).create_parser("manage.py", name)
            parser.parse_args(options)
        case ["python", "deploy/web.py", "--host", _, "--linger", seconds]:
            # What is under way takes web.py's five seconds at most.
            assert float(seconds) + 5 < container["StopTimeout"]
        case command:
            assert command == ["celery", "-A", "trashsite", "worker"]


def test_the_service_waits_for_what_prepares_it() -> None:
    waiting = {
        each["Name"]: each["DependsOn"][0]["ContainerName"]
        for each in CONTAINERS
        if each.get("DependsOn") and each["DependsOn"][0]["Condition"] == "SUCCESS"
    }
    assert waiting == {"web": "prepare", "worker": "check"}


def test_the_queues_are_as_provision_makes_them() -> None:
    queue, dead = (RESOURCES[name]["Properties"] for name in ("Queue", "DeadQueue"))
    assert {name: str(queue[name]) for name in ATTRIBUTES} == ATTRIBUTES
    assert {name: str(dead[name]) for name in DEAD_ATTRIBUTES} == DEAD_ATTRIBUTES
    assert queue["RedrivePolicy"]["maxReceiveCount"] == MAX_RECEIVES
    assert queue["SqsManagedSseEnabled"] is dead["SqsManagedSseEnabled"] is True


def test_every_table_survives_its_stack_and_a_mistake() -> None:
    tables = [each for each in RESOURCES.values() if each["Type"] == "AWS::DynamoDB::Table"]
    assert len(tables) == 3
    for table in tables:
        assert table["DeletionPolicy"] == "RetainExceptOnCreate"
        assert table["Properties"]["DeletionProtectionEnabled"] == {"Ref": "DeletionProtection"}
        assert table["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        assert table["Properties"]["BillingMode"] == "PAY_PER_REQUEST"


def test_every_alarm_goes_to_the_one_topic() -> None:
    alarms = [each["Properties"] for each in RESOURCES.values() if each["Type"] == "AWS::CloudWatch::Alarm"]
    assert len(alarms) == 7
    assert all(each["AlarmActions"] == each["OKActions"] == [{"Ref": "Alarms"}] for each in alarms)


def test_every_alarm_is_in_the_runbook() -> None:
    alarms = {name for name, each in RESOURCES.items() if each["Type"] == "AWS::CloudWatch::Alarm"}
    _, _, section = (ROOT / "docs/runbook.md").read_text().partition("\n## Alarms of the stack\n")
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == alarms


def test_the_limits_of_a_worker_are_by_default_those_of_the_settings() -> None:
    defaults = {name: template()["Parameters"][name]["Default"] for name in ("Concurrency", "NewCans", "SetAside")}
    # Without local mode.
    said = (ROOT / "docs/settings.md").read_text()
    assert re.search(rf"^\| `TRASH_CONCURRENCY` \| {defaults['Concurrency']} \|", said, re.MULTILINE)
    assert re.search(rf"^\| `TRASH_NEW_CANS` \| {defaults['NewCans']}; local: 0 \|", said, re.MULTILINE)
    assert re.search(rf"^\| `TRASH_BRAKE_SET_ASIDE`, .* \| {defaults['SetAside']}, 60, 90 \|", said, re.MULTILINE)


def test_each_cpu_on_offer_has_a_memory_that_fargate_takes_with_it() -> None:
    memory = {cpu: int(each["MiB"]) for cpu, each in template()["Mappings"]["Memory"].items()}
    # Source: AWS, Amazon ECS, task definition parameters for Fargate: task size.
    assert memory["256"] in (512, 1024, 2048)
    assert memory["512"] in range(1024, 4097, 1024)
    assert memory["1024"] in range(2048, 8193, 1024)
    for task, cpu in (("WebTask", "WebCpu"), ("WorkerTask", "WorkerCpu")):
        assert template()["Parameters"][cpu]["AllowedValues"] == list(memory)
        properties = RESOURCES[task]["Properties"]
        assert properties["Cpu"] == {"Ref": cpu}
        assert properties["Memory"] == {"Fn::FindInMap": ["Memory", {"Ref": cpu}, "MiB"]}


def test_the_architectures_are_those_whose_packages_are_looked_at() -> None:
    offered = template()["Parameters"]["Architecture"]
    assert offered["AllowedValues"] == list(wheels.PLATFORMS)
    # The one on which all was run.
    assert offered["Default"] == "X86_64"


def test_what_starts_the_containers_reaches_the_logs_and_secrets_of_this_stack_alone() -> None:
    role = RESOURCES["ExecutionRole"]["Properties"]
    assert "ManagedPolicyArns" not in role
    (policy,) = role["Policies"]
    anywhere = [each["Action"] for each in policy["PolicyDocument"]["Statement"] if "*" in str(each["Resource"])]
    assert anywhere[0] == "ecr:GetAuthorizationToken"
    assert all(action.startswith("ecr:") for action in anywhere[1])
    assert len(anywhere) == 2


def test_the_template_is_small_enough_to_be_sent_without_a_bucket() -> None:
    # Source: AWS, CloudFormation quotas: template body size in a request.
    assert len(PATH.read_bytes()) <= 51_200
