"""
The runner behind `make run`: stores, worker, web server and simulator on this machine, until Ctrl-C.

    python -m stack.run          start everything and keep it alive
    python -m stack.run --env    print the exports with which any AWS tool talks to it

From the environment: PORT (8000), SQS_PORT (9324), DYNAMODB_PORT (9325), WORKER_METRICS_PORT (9101), WEB_METRICS_PORT
(9102), TRASH_DATA (.data), STACK (embedded, or java after `make servers`), SIMULATE (arguments of `manage.py simulate`;
"off" starts none).
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from stack.front import blocked_port, front
from stack.servers import (
    LOOPBACK,
    REGION,
    STORES,
    Kind,
    Program,
    StackError,
    answers,
    dynamodb_program,
    is_free,
    sqs_program,
)
from stack.supervisor import Output, Service, Supervisor, run

ROOT = Path(__file__).resolve().parent.parent
#: Settings of a user's own AWS account that would send our requests there, or change how they are signed.
FOREIGN = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL")
#: Of the site alone; an empty value counts as none.
WITHOUT_SECRETS = {"DJANGO_SECRET_KEY": "", "DATABASE_URL": ""}
#: A webhook may be a program on this machine.
WITH_WEBHOOKS = {"TRASH_PRIVATE_WEBHOOKS": "on"}
#: Simulated sensors of bought models that are shown beside the simulated fleet.
SENSORS = "10"
#: How far back the simulated past reaches.
PAST_DAYS = "60"


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


def services(settings: Settings, dynamodb_port: int | None = None) -> list[Service]:
    """
    What a stack consists of, in the order in which it starts.

    dynamodb_port: where DynamoDB itself listens, if there is a front on its usual port.
    """
    python = sys.executable
    urls = settings.exports()
    web = f"{LOOPBACK}:{settings.port}"
    for directory in ("sqs", "dynamodb"):
        (settings.data / directory).mkdir(parents=True, exist_ok=True)
    # Who asks for a simulation of their own gets no sensors besides.
    shows_sensors = settings.simulate == ""
    everything = [
        Service(
            "sqs",
            sqs_program(settings.sqs_port, settings.data / "sqs", settings.kind),
            is_ready=partial(answers, urls["AWS_ENDPOINT_URL_SQS"]),
            stop_within_s=1,
        ),
        Service(
            "dynamodb",
            dynamodb_program(dynamodb_port or settings.dynamodb_port, settings.data / "dynamodb", settings.kind),
            is_ready=partial(answers, urls["AWS_ENDPOINT_URL_DYNAMODB"]),
            stop_within_s=1,
        ),
        Service("prepare", Program([python, "-m", "stack.prepare", *([SENSORS] if shows_sensors else [])]), once=True),
        Service(
            "worker",
            # Quiet: no banner. As root, as in many containers, Celery warns of itself at length.
            Program(
                [python, "-m", "celery", "--quiet", "-A", "trashsite", "worker"],
                {
                    "PYTHONWARNINGS": "ignore:You're running the worker with superuser",
                    "TRASH_METRICS_PORT": str(settings.worker_metrics_port),
                    **WITHOUT_SECRETS,
                    **WITH_WEBHOOKS,
                },
            ),
            ready_line=r"\bready\b",
            stop_within_s=6,
        ),
        Service(
            "web",
            Program(
                [python, "deploy/web.py", "--host", LOOPBACK, "--port", str(settings.port)],
                {"TRASH_METRICS_PORT": str(settings.web_metrics_port), **WITH_WEBHOOKS},
            ),
            is_ready=partial(answers, f"http://{web}/health/live"),
            stop_within_s=4,
        ),
        Service("receiver", Program([python, "manage.py", "receive-alerts"]), ready_line=r"\btells\b", stop_within_s=1),
        Service(
            "simulator",
            Program(
                [python, "manage.py", "simulate", *(shlex.split(settings.simulate) or ["--demo"])], WITHOUT_SECRETS
            ),
            # Asked for a number of reports, it ends.
            may_end=True,
            stop_within_s=1,
        ),
        Service(
            "sensors",
            Program(
                [python, "manage.py", "simulate", "--format", "uplinks", "--cans", SENSORS, "--days", "2"],
                WITHOUT_SECRETS,
            ),
            may_end=True,
            stop_within_s=1,
        ),
        Service(
            "hours",
            # The past was sent at once: nobody counted the fleet then.
            Program([python, "manage.py", "fill-hours", "--wait", "--days", PAST_DAYS]),
            may_end=True,
            stop_within_s=1,
        ),
    ]
    left_out = {
        "simulator": settings.simulate == "off", "sensors": not shows_sensors, "hours": not shows_sensors,
        "receiver": not shows_sensors,
    }  # fmt: skip
    return [service for service in everything if not left_out.get(service.name)]


# -- what it says ----------------------------------------------------------------------------------------


def box(settings: Settings) -> str:
    """Where to go, who may log in, and what to try first."""
    people = dict(line.split("=", 1) for line in settings.credentials.read_text().splitlines() if "=" in line)
    token = people.pop("token", "")
    may = {
        "viewer": "sees all cans and their reports",
        "operator": "also sees the pipeline, sends reports, edits details, handles dead letters",
        "admin": "also manages users and groups, at /admin/",
    }
    lines = [
        f"Open      {settings.site}/",
        f"Stores    {STORES[settings.kind]} (STACK={settings.kind})",
        "",
        *(f"{name:<9} {password:<14} {may.get(name, '')}" for name, password in people.items()),
        f"{'token':<9} {token}",
        f"          (all kept in {_short(settings.credentials)})",
        "",
        "Try",
        f"  curl -s {settings.site}/reports/420",
        f"  curl -s {settings.site}/reports/ -H 'Content-Type: application/json' \\",
        f"    -H 'Authorization: Bearer {token}' \\",
        """    -d '{"can_id": "432", "level": "70.69237046207665"}'""",
        f'  eval "$(make -s env{_changed(settings)})"; python manage.py simulate --rate 2 --count 10',
    ]
    # No frame at the sides: who copies a line of it must copy no frame.
    rule = "─" * (max(map(len, lines)) + 2)
    return "\n".join([f"┌{rule}", *(f"  {line}".rstrip() for line in lines), f"└{rule}"])


def _changed(settings: Settings) -> str:
    """The variables that another make needs to find this stack."""
    names = {
        "SQS_PORT": settings.sqs_port,
        "DYNAMODB_PORT": settings.dynamodb_port,
        "TRASH_DATA": settings.data,
    }
    usual = Settings.from_environment({})
    unchanged = (usual.sqs_port, usual.dynamodb_port, usual.data)
    differ = zip(names.items(), unchanged, strict=True)
    return "".join(f" {name}={shlex.quote(str(value))}" for (name, value), same in differ if value != same)


def _short(path: Path) -> str:
    with suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)


def exports(settings: Settings) -> str:
    """Lines for a shell: the variables, and this project's programs first on its PATH, an AWS CLI of ours last."""
    lines = [f"export {name}={shlex.quote(value)}" for name, value in settings.exports().items()]
    programs, aws = (shlex.quote(str(ROOT / folder)) for folder in (".venv/bin", "stack/.aws/bin"))
    return "\n".join([f"unset {' '.join(FOREIGN)}", *lines, f'export PATH={programs}:"$PATH":{aws}'])


# -- one at a time ---------------------------------------------------------------------------------------


@contextmanager
def only_one(data: Path) -> Iterator[None]:
    """Hold the data for one stack. Raises StackError where another has it."""
    data.mkdir(parents=True, exist_ok=True)
    # It may be from a version that let others read it.
    data.chmod(data.stat().st_mode & 0o700)
    with (data / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise StackError(
                f"A stack runs on {_short(data)} already (process {lock.read().strip()}): use that one, "
                "or stop it with Ctrl-C first."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def check_ports(settings: Settings) -> None:
    """Raises StackError, with what to do, where a port is taken."""
    wanted = {
        "PORT": settings.port,
        "SQS_PORT": settings.sqs_port,
        "DYNAMODB_PORT": settings.dynamodb_port,
        "WORKER_METRICS_PORT": settings.worker_metrics_port,
        "WEB_METRICS_PORT": settings.web_metrics_port,
    }
    for variable, port in wanted.items():
        if not is_free(port):
            other = next(p for p in range(port + 1, 65536) if p not in wanted.values() and is_free(p))
            raise StackError(
                f"Port {port} is taken by another program. Stop that, or choose another port: "
                f"make run {variable}={other}"
            )


def check_simulate(settings: Settings) -> None:
    """
    Raises StackError, with the reason, where the simulator would refuse its arguments.

    A simulator that ends is started again, so it would refuse them over and over.
    """
    if settings.simulate in ("", "off"):
        return
    said = f"SIMULATE is {settings.simulate!r}"
    try:
        arguments = shlex.split(settings.simulate)
    except ValueError as error:
        raise StackError(f"{said}: {error}.") from error
    checked = subprocess.run(
        [sys.executable, "manage.py", "simulate", *arguments, "--check"],
        env=settings.environment(os.environ) | WITHOUT_SECRETS,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if checked.returncode:
        # Above its last line, argparse shows how the command is used.
        reason = checked.stderr.strip().rpartition("\n")[2]
        raise StackError(f"{said}; it must be arguments of `manage.py simulate`, or off. {reason}")


def main(arguments: list[str]) -> int:
    """Run the stack, or print its exports; return the exit status."""
    try:
        settings = Settings.from_environment(os.environ)
        if arguments == ["--env"]:
            print(exports(settings))
            return 0
        os.chdir(ROOT)
        # What is kept has passwords, a token and sessions in it: nobody else on the machine may read it.
        os.umask(0o077)
        check_simulate(settings)
        with only_one(settings.data):
            check_ports(settings)
            dynamodb_port = blocked_port()
            wanted = services(settings, dynamodb_port)
            output = Output(sys.stdout, [service.name for service in wanted])
            supervisor = Supervisor(wanted, settings.environment(os.environ), output)
            asyncio.run(_run(settings, dynamodb_port, supervisor, output))
    except StackError as error:
        print(f"make run: {error}", file=sys.stderr)
        return 1
    return 0


async def _run(settings: Settings, dynamodb_port: int, supervisor: Supervisor, output: Output) -> None:
    async with front(settings.dynamodb_port, dynamodb_port):
        await run(supervisor, lambda: output.write(box(settings)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
