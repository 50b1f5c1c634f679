"""Where one local stack runs: its ports, its data, and the environment that leads programs to it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from stack.servers import LOOPBACK, REGION, Kind, StackError

ROOT = Path(__file__).resolve().parent.parent
#: Settings of a user's own AWS account that would send our requests there, or change how they are signed.
FOREIGN = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL")


@dataclass(frozen=True, slots=True)
class Settings:
    """Where one stack runs."""

    port: int
    sqs_port: int
    dynamodb_port: int
    worker_metrics_port: int
    web_metrics_port: int
    data: Path
    kind: Kind
    simulate: str

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Raises StackError where a value makes no sense."""
        kind: Literal["embedded", "java"]
        match environ.get("STACK") or "embedded":
            case "embedded":
                kind = "embedded"
            case "java":
                kind = "java"
            case other:
                raise StackError(f"STACK is {other!r}; it must be embedded or java.")
        return cls(
            port=port_of(environ, "PORT", 8000),
            sqs_port=port_of(environ, "SQS_PORT", 9324),
            dynamodb_port=port_of(environ, "DYNAMODB_PORT", 9325),
            worker_metrics_port=port_of(environ, "WORKER_METRICS_PORT", 9101),
            web_metrics_port=port_of(environ, "WEB_METRICS_PORT", 9102),
            data=Path(environ.get("TRASH_DATA") or ROOT / ".data").absolute(),
            kind=kind,
            simulate=environ.get("SIMULATE", ""),
        )

    @property
    def stores(self) -> dict[str, int]:
        """The ports at which programs find SQS and DynamoDB."""
        return {"sqs": self.sqs_port, "dynamodb": self.dynamodb_port}

    @property
    def site(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def credentials(self) -> Path:
        return self.data / "credentials"

    def exports(self) -> dict[str, str]:
        """What any AWS tool, and every program of the project, needs to talk to this stack."""
        exports = {
            "TRASH_LOCAL": "1",
            "TRASH_DATA": str(self.data),
            # A webhook may be a program on this machine.
            "TRASH_PRIVATE_WEBHOOKS": "on",
            "AWS_ENDPOINT_URL_SQS": f"http://{LOOPBACK}:{self.sqs_port}",
            "AWS_ENDPOINT_URL_DYNAMODB": f"http://{LOOPBACK}:{self.dynamodb_port}",
            # The embedded SQS is a stand-in for SNS, too; ElasticMQ is not.
            **({"AWS_ENDPOINT_URL_SNS": f"http://{LOOPBACK}:{self.sqs_port}"} if self.kind == "embedded" else {}),
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
        }
        # Where all traffic goes through a proxy, this must not.
        return exports | {"NO_PROXY": f"{LOOPBACK},localhost", "no_proxy": f"{LOOPBACK},localhost"}

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """The environment of every program: the user's, less their own AWS account, plus the exports."""
        kept = {name: value for name, value in environ.items() if name not in FOREIGN}
        return kept | self.exports() | {"PYTHONUNBUFFERED": "1"}


def port_of(environ: Mapping[str, str], name: str, default: int) -> int:
    """Return a port from the environment. Raises StackError where it is none."""
    value = environ.get(name) or str(default)
    if not value.isascii() or not value.isdigit() or not 0 < int(value) < 65536:
        raise StackError(f"{name} is {value!r}; it must be a port, from 1 to 65535.")
    return int(value)


def exports(settings: Settings) -> str:
    """Lines for a shell: the variables, and this project's programs first on its PATH, an AWS CLI of ours last."""
    lines = [f"export {name}={shlex.quote(value)}" for name, value in settings.exports().items()]
    programs, aws = (shlex.quote(str(ROOT / folder)) for folder in (".venv/bin", "stack/.aws/bin"))
    return "\n".join([f"unset {' '.join(FOREIGN)}", *lines, f'export PATH={programs}:"$PATH":{aws}'])
