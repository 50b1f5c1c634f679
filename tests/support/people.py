"""Visitors of the site who have signed in."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.test import Client

from accounts.roles import give_role, make_roles


def signed_in(name: str, role: str, **client: Any) -> Client:
    """Make a user of a role, "viewer", "operator" or "admin", and return their client; client: arguments of Client."""
    make_roles()
    user = User.objects.create_user(name)
    give_role(user, role)
    made = Client(**client)
    made.force_login(user)
    return made
