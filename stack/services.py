"""The programs of a local stack, in the order in which they start."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping
from functools import partial

from stack.servers import LOOPBACK, Program, answers, dynamodb_program, sqs_program
from stack.settings import Settings
from stack.supervisor import Service

#: Of the site alone; an empty value counts as none.
WITHOUT_SECRETS = {"DJANGO_SECRET_KEY": "", "DATABASE_URL": ""}
#: Simulated sensors of bought models that are shown beside the simulated fleet.
SENSORS = "10"
#: How far back the simulated past reaches.
PAST_DAYS = "60"

_OF_SENSORS = ("--format", "uplinks", "--cans", SENSORS, "--days", "2")
_RECEIVER = Service(
    "receiver", Program([sys.executable, "manage.py", "receive-alerts"]), ready_line=r"\btells\b", stop_within_s=1
)
#: The past was sent at once: nobody counted the fleet then.
_HOURS = Service(
    "hours",
    Program([sys.executable, "manage.py", "fill-hours", "--wait", "--days", PAST_DAYS]),
    may_end=True,
    stop_within_s=1,
)


def services(settings: Settings, ports_behind: Mapping[str, int] | None = None) -> list[Service]:
    """
    Return what a stack consists of, in the order in which it starts.

    ports_behind: where sqs and dynamodb themselves listen, of these each that has a front on its usual port.
    """
    # Who asks for a simulation of their own gets nothing besides.
    is_demonstration = settings.simulate == ""
    return [
        *_stores(settings, {**settings.stores, **(ports_behind or {})}),
        _preparation(*([SENSORS] if is_demonstration else [])),
        *_worker_and_web(settings),
        *([_RECEIVER] if is_demonstration else []),
        *([] if settings.simulate == "off" else [_simulator("simulator", *_arguments(settings))]),
        *([_simulator("sensors", *_OF_SENSORS), _HOURS] if is_demonstration else []),
    ]


def _stores(settings: Settings, ports: Mapping[str, int]) -> Iterator[Service]:
    urls = settings.exports()
    programs = {
        "sqs": sqs_program(ports["sqs"], settings.data / "sqs", settings.kind),
        "dynamodb": dynamodb_program(ports["dynamodb"], settings.data / "dynamodb", settings.kind),
    }
    for name, program in programs.items():
        (settings.data / name).mkdir(parents=True, exist_ok=True)
        is_ready = partial(answers, urls[f"AWS_ENDPOINT_URL_{name.upper()}"])
        yield Service(name, program, is_ready=is_ready, stop_within_s=1)


def _preparation(*arguments: str) -> Service:
    return Service("prepare", Program([sys.executable, "-m", "stack.prepare", *arguments]), once=True)


def _worker_and_web(settings: Settings) -> Iterator[Service]:
    yield Service(
        "worker",
        # Quiet: no banner. As root, as in many containers, Celery warns of itself at length.
        Program(
            [sys.executable, "-m", "celery", "--quiet", "-A", "trashsite", "worker"],
            {
                "PYTHONWARNINGS": "ignore:You're running the worker with superuser",
                "TRASH_METRICS_PORT": str(settings.worker_metrics_port),
                **WITHOUT_SECRETS,
            },
        ),
        ready_line=r"\bready\b",
        stop_within_s=6,
    )
    yield Service(
        "web",
        Program(
            [sys.executable, "deploy/web.py", "--host", LOOPBACK, "--port", str(settings.port)],
            {"TRASH_METRICS_PORT": str(settings.web_metrics_port)},
        ),
        is_ready=partial(answers, f"http://{LOOPBACK}:{settings.port}/health/live"),
        stop_within_s=4,
    )


def _simulator(name: str, *arguments: str) -> Service:
    # Asked for a number of reports, it ends.
    program = Program([sys.executable, "manage.py", "simulate", *arguments], WITHOUT_SECRETS)
    return Service(name, program, may_end=True, stop_within_s=1)


def _arguments(settings: Settings) -> list[str]:
    return shlex.split(settings.simulate) or ["--demo"]
