"""The commands of AWS in the documents, which no test runs: AWS's models know each operation, waiter and option."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import botocore.session
from botocore import xform_name

from tests.docs.test_blocks import DOCUMENTS
from tests.support.servers import ROOT

#: Options of the command line itself, of those that are in use.
EVERYWHERE = {"endpoint-url", "max-items", "output", "query", "region"}
#: What the command line adds to AWS's API: commands, and options, of those that are in use.
ADDED: dict[str, set[str]] = {
    "cloudformation deploy": {
        "capabilities", "disable-rollback", "parameter-overrides", "stack-name", "tags", "template-file",
    },
    "ec2 authorize-security-group-ingress": {"port", "protocol", "source-group"},
    "ecr get-login-password": set(),
    "logs tail": {"follow", "format", "log-stream-name-prefix", "since"},
    "rds copy-db-snapshot": {"source-region"},
    "s3 ls": set(),
    "sns subscribe": {"notification-endpoint"},
}  # fmt: skip
_COMMAND = re.compile(r"\baws ([a-z][a-z0-9-]+) ((?:wait )?[a-z][a-z-]+)(\b[^`\n|]*)")


def commands() -> Iterator[tuple[str, str, str, set[str]]]:
    """Yield page, service, operation or `wait NAME`, and options, without those after a line break in quotes."""
    for page in DOCUMENTS:
        text = re.sub(r"\\\n\s*", "", page.read_text())
        for service, operation, rest in _COMMAND.findall(text):
            own = re.split(r"\$\(aws |; ", rest)[0]
            yield str(page.relative_to(ROOT)), service, operation, set(re.findall(r"(?<=\s)--([a-z0-9-]+)", own))


@cache
def operations(service: str) -> dict[str, dict[str, Any]]:
    """Return the operations of a service by their name on the command line, and its waiters with `wait` before it."""
    session = botocore.session.get_session()
    model = session.get_service_model(service)
    known = {xform_name(name, "-"): model.operation_model(name).input_shape for name in model.operation_names}
    found = {name: dict(shape.members) if shape else {} for name, shape in known.items()}
    try:
        waiters = session.get_waiter_model(service)
    except botocore.exceptions.UnknownServiceError:
        return found
    for name in waiters.waiter_names:
        found[f"wait {xform_name(name, '-')}"] = found[xform_name(waiters.get_waiter(name).operation, "-")]
    return found


def options(service: str, operation: str) -> set[str]:
    """Return the options that a command may have."""
    members = operations(service).get(operation, {})
    names = {xform_name(name, "-") for name in members}
    switches = {f"no-{xform_name(name, '-')}" for name, shape in members.items() if shape.type_name == "boolean"}
    return EVERYWHERE | names | switches | ADDED.get(f"{service} {operation}", set())


def test_every_command_of_aws_is_one_that_aws_knows() -> None:
    seen = 0
    for page, service, operation, given in commands():
        seen += 1
        what = f"{page}: aws {service} {operation}"
        assert f"{service} {operation}" in ADDED or operation in operations(service), what
        assert given <= options(service, operation), (what, given - options(service, operation))
    assert seen > 50
