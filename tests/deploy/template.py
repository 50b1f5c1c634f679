"""What stands in deploy/cloudformation.yml, read as data: `!Ref X` as {"Ref": "X"}, and so on."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import yaml

from tests.support.aws_calls import Right
from tests.support.servers import ROOT

PATH = ROOT / "deploy/cloudformation.yml"
#: Each role by its name in the template.
ROLES = {f"{role.capitalize()}Role": role for role in ("web", "worker", "provision", "publisher", "redrive")}
#: Each queue and table, without a suffix, by its name in the template.
RESOURCES = {
    "Queue": "queue/trash-level",
    "DeadQueue": "queue/trash-level-dead",
    "AlertsQueue": "queue/trash-alerts",
    "DeadAlertsQueue": "queue/trash-alerts-dead",
    "Levels": "table/trash-levels",
    "History": "table/trash-level-history",
    "Pipeline": "table/trash-pipeline",
}


class _Loader(yaml.CSafeLoader):
    pass


def _tagged(loader: _Loader, tag: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]
    if tag == "GetAtt":
        value = value.split(".", 1)
    return {tag if tag in ("Ref", "Condition") else f"Fn::{tag}": value}


_Loader.add_multi_constructor("!", _tagged)


@cache
def template() -> dict[str, Any]:
    """Return the template, which nobody may change: it is read once."""
    loader = _Loader(PATH.read_text())
    return loader.get_single_data()  # type: ignore[no-any-return]


def granted() -> Iterator[Right]:
    """Yield what the roles of the template may do, an action and a resource at a time; wildcards as they stand."""
    for name, role in ROLES.items():
        properties = template()["Resources"][name]["Properties"]
        assert "ManagedPolicyArns" not in properties, name
        for policy in properties["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                assert statement.keys() == {"Effect", "Action", "Resource"}, (name, statement)
                assert statement["Effect"] == "Allow"
                for action in _listed(statement["Action"]):
                    for resource in _listed(statement["Resource"]):
                        yield Right(role, action, _resource(resource))


def containers() -> Iterator[dict[str, Any]]:
    """Yield each container of each task, with all secrets that it may have."""
    for resource in template()["Resources"].values():
        if resource["Type"] == "AWS::ECS::TaskDefinition":
            for container in resource["Properties"]["ContainerDefinitions"]:
                secrets = [each["Fn::If"][1] if "Fn::If" in each else each for each in container.get("Secrets", ())]
                yield {**container, "Secrets": secrets}


def _resource(arn: Any) -> str:
    match arn:
        case {"Fn::GetAtt": [name, "Arn"]}:
            return RESOURCES[name]
        case {"Fn::Sub": str(text)}:
            name, _, rest = text.removeprefix("${").partition(".Arn}")
            return RESOURCES[name] + rest
        case {"Ref": "AlertsTopic"}:
            # Of a topic its ARN.
            return "topic/trash-alerts"
    return str(arn)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
