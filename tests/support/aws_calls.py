"""
Record which right each call to AWS needs, and on whose behalf it is made, in every process that the tests start.

AWS_CALLS names the directory to record into: a file a process, a line for each right when it is first needed.
`tests/support/recording/sitecustomize.py` brings this into the processes that the tests start.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from botocore.client import BaseClient

ROOT = Path(__file__).resolve().parents[2]
#: Without the suffix that a deployment gives them; a name that begins another stands behind it.
NAMES = {
    "queue": ("trash-level-dead", "trash-level", "trash-alerts-dead", "trash-alerts"),
    "topic": ("trash-alerts",),
    "table": ("trash-level-history", "trash-levels", "trash-pipeline"),
}
#: Batches have no action of their own.
#: Source: AWS, Service Authorization Reference, Actions of Amazon SQS.
SINGULAR = {
    "SendMessageBatch": "SendMessage",
    "DeleteMessageBatch": "DeleteMessage",
    "ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
}
_STATEMENT = re.compile(r'\s*(SELECT|INSERT|UPDATE|DELETE)\b[^"]*"([^"]+)"', re.IGNORECASE)
#: Who acts, by the file and function where the call began; the first that matches. What is checked before a start is
#: checked by web servers and workers.
ROLES = (
    (re.compile(r"reports/management/commands/(adopt|provision)\.py"), ("provision",)),
    (re.compile(r"reports/(queue/provisioning|store/tables)\.py:provision"), ("provision",)),
    (re.compile(r"reports/management/commands/prepare\.py"), ("web", "worker")),
    (re.compile(r"reports/management/(commands/(dead-letters|redrive)|letters)\.py"), ("redrive",)),
    (
        re.compile(r"reports/tasks\.py:record_reports|trashsite/sqs/channel\.py:_put|simulator/sending\.py"),
        ("publisher",),
    ),
    (re.compile(r"reports/(web/|publishing\.py|management/commands/(publish|fill-hours)\.py)"), ("web",)),
    # What sends entries of a batch, sends them for whoever calls it.
    # It writes what workers write, and runs with their rights.
    (re.compile(r"reports/management/commands/(alerts|recalibrate)\.py"), ("worker",)),
    (re.compile(r"reports/(tasks\.py|alert_tasks\.py|worker/)|trashsite/sqs/(?!entries\.py)"), ("worker",)),
)
#: What all tests and `make faults` have needed.
FILE = ROOT / "tests/deploy/rights.json"


class Right(NamedTuple):
    """What a role must be permitted: an action of IAM on a resource, as `table/trash-levels/index/by-id`."""

    role: str
    action: str
    resource: str


def needs(service: str, operation: str, request: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the actions and resources, under their full names, that AWS asks a caller of this request to have."""
    if service == "sqs":
        name = request.get("QueueName") or str(request.get("QueueUrl", "")).rstrip("/").rpartition("/")[2]
        yield f"sqs:{SINGULAR.get(operation, operation)}", f"queue/{name}"
        if "QueueUrl" in request:
            # Somebody asked for it, once a process: a test, maybe, but in a process of its own each role asks itself.
            yield "sqs:GetQueueUrl", f"queue/{name}"
    elif service == "sns":
        if "TopicArn" in request:
            yield f"sns:{operation}", f"topic/{request['TopicArn'].rpartition(':')[2]}"
    elif operation in ("BatchExecuteStatement", "ExecuteStatement"):
        for one in request.get("Statements", [request]):
            found = _STATEMENT.match(one["Statement"])
            assert found, one
            yield f"dynamodb:PartiQL{found[1].capitalize()}", f"table/{found[2]}"
    elif "RequestItems" in request:
        for table in request["RequestItems"]:
            yield f"dynamodb:{operation}", f"table/{table}"
    elif "TableName" in request:
        index = f"/index/{request['IndexName']}" if "IndexName" in request else ""
        yield f"dynamodb:{operation}", f"table/{request['TableName']}{index}"


def without_suffix(resource: str) -> str | None:
    """Return a resource as it is named in a deployment without a suffix, None for what is not the project's."""
    kind, _, rest = resource.partition("/")
    name, slash, index = rest.partition("/")
    for known in NAMES[kind]:
        if name == known or name.startswith(f"{known}-"):
            return f"{kind}/{known}{slash}{index}"
    return None


class Recorder:
    """Writes down each right once a process: a child that was forked has a file of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._known: set[tuple[int, str]] = set()
        self._carried = threading.local()

    def record(self, service: str, operation: str, request: Mapping[str, Any]) -> None:
        self._write(f"{service}:{operation}")
        roles = self.roles()
        for action, full_name in needs(service, operation, request):
            if resource := without_suffix(full_name):
                for role in roles:
                    self._write("\t".join(Right(role, action, resource)))

    def _write(self, line: str) -> None:
        if (os.getpid(), line) not in self._known:
            self._known.add((os.getpid(), line))
            with (self.directory / str(os.getpid())).open("a") as file:
                file.write(f"{line}\n")

    def roles(self) -> tuple[str, ...]:
        """
        Return on whose behalf this thread acts, by the outermost file of a role on its stack; none for a test.

        What a test's own function does that the code calls, as a worker's part in the middle of a redrive, counts for
        itself.
        """
        places = []
        frame = sys._getframe()
        while frame:
            name = frame.f_code.co_filename
            if name.startswith(f"{ROOT}/tests/") and name != __file__:
                break
            if name.startswith(f"{ROOT}/"):
                places.append(f"{name[len(str(ROOT)) + 1 :]}:{frame.f_code.co_name}")
            frame = frame.f_back
        for place in reversed(places):
            for pattern, roles in ROLES:
                if pattern.match(place):
                    return roles
        return getattr(self._carried, "roles", ())

    @contextmanager
    def carry(self, roles: tuple[str, ...]) -> Iterator[None]:
        self._carried.roles = roles
        try:
            yield
        finally:
            self._carried.roles = ()


def install(aws: ModuleType, directory: Path) -> None:
    """Record every call that this process's clients make from now on. Safe to call again."""
    if hasattr(aws.Client.call, "recorder"):
        return
    recorder = Recorder(directory)
    call, submit = aws.Client.call, ThreadPoolExecutor.submit

    def recorded(self: Any, operation: str, request: Mapping[str, Any], **options: Any) -> Any:
        recorder.record(self.service, operation, request)
        return call(self, operation, request, **options)

    def submitted(self: ThreadPoolExecutor, run: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        # The stack of a pool's thread does not show who has sent it to work.
        roles = recorder.roles()

        def carried(*args: Any, **kwargs: Any) -> Any:
            with recorder.carry(roles):
                return run(*args, **kwargs)

        return submit(self, carried, *args, **kwargs)

    make_api_call = BaseClient._make_api_call

    def made(self: BaseClient, operation: str, request: dict[str, Any]) -> Any:
        # SNS alone is asked through boto3's own client.
        if self.meta.service_model.service_name == "sns":
            recorder.record("sns", operation, request)
        return make_api_call(self, operation, request)

    BaseClient._make_api_call = made
    recorded.recorder = recorder  # type: ignore[attr-defined]
    aws.Client.call = recorded
    ThreadPoolExecutor.submit = submitted


class Recorded(NamedTuple):
    """What was needed, and which operations of which service were called at all, on whosesoever behalf."""

    rights: set[Right]
    operations: set[str]


def recorded_in(directory: Path) -> Recorded:
    """Return all that was recorded there."""
    lines = {line for file in directory.iterdir() for line in file.read_text().splitlines()}
    rights = {Right(*line.split("\t")) for line in lines if "\t" in line}
    return Recorded(rights, {line for line in lines if "\t" not in line})


def read() -> Recorded:
    """Return what is written down in FILE."""
    told = json.loads(FILE.read_text())
    rights = {
        Right(role, action, resource)
        for role, resources in told["rights"].items()
        for resource, actions in resources.items()
        for action in actions
    }
    return Recorded(rights, set(told["operations"]))


def write(found: Recorded) -> None:
    """Write FILE anew."""
    rights: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for role, action, resource in sorted(found.rights, key=lambda right: (right.role, right.resource, right.action)):
        rights[role][resource].append(action)
    FILE.write_text(json.dumps({"rights": rights, "operations": sorted(found.operations)}, indent=2) + "\n")


if __name__ == "__main__":
    write(recorded_in(Path(sys.argv[1])))
