"""The three roles, each a Django group, and their permissions."""

from __future__ import annotations

from django.contrib.auth.models import Group, Permission, User

OPERATOR = frozenset(
    {
        "accounts.post_reports",
        "accounts.see_pipeline",
        "accounts.redrive",
        "reports.add_can",
        "reports.change_can",
        "reports.view_can",
        "reports.add_alertrule",
        "reports.change_alertrule",
        "reports.delete_alertrule",
        "reports.view_alertrule",
        "reports.add_mounting",
        "reports.change_mounting",
        "reports.delete_mounting",
        "reports.view_mounting",
        "reports.add_savedview",
        "reports.change_savedview",
        "reports.delete_savedview",
        "reports.view_savedview",
        "reports.add_sensor",
        "reports.change_sensor",
        "reports.delete_sensor",
        "reports.view_sensor",
        "reports.add_streamlimits",
        "reports.change_streamlimits",
        "reports.delete_streamlimits",
        "reports.view_streamlimits",
    }
)
#: The role admin has every permission of these applications.
ADMINISTERED = ("accounts", "auth", "reports")
ROLES = ("viewer", "operator", "admin")
STAFF = frozenset({"operator", "admin"})


def make_roles() -> None:
    """Create the groups, or correct their permissions: viewer (reading only), operator, admin."""
    everything = Permission.objects.filter(content_type__app_label__in=ADMINISTERED)
    named = {f"{one.content_type.app_label}.{one.codename}": one for one in everything}
    given = {
        "viewer": [],
        "operator": [named[name] for name in sorted(OPERATOR)],
        "admin": list(everything),
    }
    for role in ROLES:
        group, _ = Group.objects.get_or_create(name=role)
        group.permissions.set(given[role])


def give_role(user: User, role: str) -> None:
    """Give a user this role, and no other; operators and admins may enter the admin site."""
    user.groups.set([Group.objects.get(name=role)])
    user.is_staff = role in STAFF
    user.save(update_fields=["is_staff"])
