"""The users of a local stack: created once, their secrets in a file that only its owner may read."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from django.contrib.auth.models import User
from django.db import transaction

from accounts.models import Token, digest, new_key
from accounts.roles import ROLES, give_role

TOKEN = "local"  # noqa: S105  (its name, not its key)


def make_people(path: Path) -> bool:
    """
    Create one user for each role, and a token for the operator; write them to `path` as lines `name=secret`.

    The file decides: after the loss of the database, users get the passwords of the file again; after the loss of the
    file, everyone gets new ones. Returns whether the file was written now.
    """
    credentials = read(path)
    fresh = credentials.keys() != {*ROLES, "token"}
    if fresh:
        credentials = {role: secrets.token_urlsafe(9) for role in ROLES} | {"token": new_key()}
        # Written before the database: after a stop in between, the next run continues from here.
        write(path, credentials)
    with transaction.atomic():
        for role in ROLES:
            user, _ = User.objects.get_or_create(username=role)
            if not user.check_password(credentials[role]):
                user.set_password(credentials[role])
            user.is_superuser = role == "admin"
            user.save()
            give_role(user, role)
        kept = digest(credentials["token"])
        Token.objects.filter(name=TOKEN).exclude(digest=kept).delete()
        Token.objects.get_or_create(
            digest=kept, defaults={"name": TOKEN, "user": User.objects.get(username="operator")}
        )
    return fresh


def read(path: Path) -> dict[str, str]:
    """Return the credentials in this file by name; none if there is no such file."""
    if not path.exists():
        return {}
    return dict(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line)


def write(path: Path, credentials: dict[str, str]) -> None:
    """Write the file atomically; at no moment can anybody but its owner read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.writelines(f"{name}={secret}\n" for name, secret in credentials.items())
    draft.replace(path)
