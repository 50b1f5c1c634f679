"""What `make run` says when everything runs: where to go, who may log in, and what to try first."""

from __future__ import annotations

import shlex
from contextlib import suppress
from pathlib import Path

from stack.servers import STORES
from stack.settings import Settings


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
        f"          (all kept in {short(settings.credentials)})",
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


def short(path: Path) -> str:
    """Return a path from the present directory, where it lies below that."""
    with suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)
