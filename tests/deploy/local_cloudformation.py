"""A CloudFormation of one's own, MiniStack, and in it the stack of deploy/cloudformation.yml."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3

from stack.servers import LOOPBACK, REGION, answers, free_port
from tests.deploy.template import PATH
from tests.support.servers import ROOT, eventually

PROGRAM = ROOT / "stack/.cloudformation/bin/ministack"
HOST_NAME = "bins.example.org"
SUFFIX = "city"


@contextmanager
def local_cloudformation(directory: Path) -> Iterator[dict[str, str]]:
    """Start MiniStack on a free port; yield the environment that leads to its SQS, DynamoDB and CloudFormation."""
    port = free_port()
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_ENDPOINT_URL")},
        "BIND_HOST": LOOPBACK,
        "GATEWAY_PORT": str(port),
        "MINISTACK_REGION": REGION,
        "TMPDIR": str(directory),
        # It would start the database and the tasks in containers: the tests start the tasks themselves.
        "DOCKER_HOST": f"unix://{directory}/none",
        "PYTHONPATH": "",
    }
    with (directory / "log").open("wb") as log:
        server = subprocess.Popen([PROGRAM], env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    url = f"http://{LOOPBACK}:{port}"
    try:
        eventually(lambda: server.poll() is not None or answers(url), 60)
        assert server.poll() is None, (directory / "log").read_text()
        yield {
            "AWS_ENDPOINT_URL": url,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
        }
    finally:
        server.terminate()
        server.wait(30)


def create_stack() -> Mapping[str, str]:
    """
    Make the stack, and return its outputs.

    Left out is what MiniStack 1.5.33 does not know: scaling, by the template's own condition; and there are no tasks,
    for it takes a number that is a parameter for text, and would start containers.
    """
    cloudformation: Any = boto3.client("cloudformation")
    ec2: Any = boto3.client("ec2")
    parameters = {
        "Image": "trashsite",
        "HostName": HOST_NAME,
        "CertificateArn": f"arn:aws:acm:{REGION}:000000000000:certificate/none",
        "VpcId": ec2.describe_vpcs()["Vpcs"][0]["VpcId"],
        "SubnetIds": ",".join(each["SubnetId"] for each in ec2.describe_subnets()["Subnets"][:2]),
        "Suffix": SUFFIX,
        "WorkersMost": "1",
        "AlarmEmail": "operator@example.org",
    }
    body = PATH.read_text()
    for count in ("!Ref WebTasks", "!If [Scales, !Ref AWS::NoValue, !Ref WorkersLeast]"):
        assert f"DesiredCount: {count}\n" in body
        body = body.replace(f"DesiredCount: {count}\n", "DesiredCount: 0\n")
    cloudformation.create_stack(
        StackName="trashsite",
        TemplateBody=body,
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        Capabilities=["CAPABILITY_IAM"],
    )

    def described() -> dict[str, Any] | None:
        (found,) = cloudformation.describe_stacks(StackName="trashsite")["Stacks"]
        return None if found["StackStatus"].endswith("IN_PROGRESS") else found

    stack = eventually(described, 60)
    failed = [
        f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason')}"
        for event in cloudformation.describe_stack_events(StackName="trashsite")["StackEvents"]
        if "FAILED" in event["ResourceStatus"]
    ]
    assert (stack["StackStatus"], failed) == ("CREATE_COMPLETE", [])
    return {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
