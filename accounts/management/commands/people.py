from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts import local
from accounts.models import Token, digest, new_key
from accounts.roles import ROLES, give_role, make_roles


class Command(BaseCommand):
    help = "Create the roles viewer, operator and admin; and, by option, a user or an API token."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--add", metavar="NAME", help="create this user, or change its role")
        parser.add_argument("--role", choices=ROLES, default="viewer", help="for --add (default: viewer)")
        parser.add_argument("--token", metavar="NAME", help="create an API token for this user, and print it")
        parser.add_argument("--for", dest="purpose", default="api", help="what the token is for (default: api)")
        parser.add_argument("--read-only", action="store_true", help="the token permits no changes")
        parser.add_argument("--days", type=int, help="the token expires after this number of days")
        parser.add_argument(
            "--first-admin",
            action="store_true",
            help="where there is no admin yet, make the user admin with the password in TRASH_ADMIN_PASSWORD",
        )
        parser.add_argument("--local", action="store_true", help="one user for each role; needs TRASH_LOCAL=1")

    def handle(self, **options: Any) -> None:
        try:
            make_roles()
        except KeyError as error:
            raise CommandError(f"Permission {error} is missing: run `manage.py migrate` first.") from error
        if options["local"]:
            self.make_local()
        if options["first_admin"]:
            self.make_first_admin()
        if options["add"]:
            user, made = User.objects.get_or_create(username=options["add"])
            give_role(user, options["role"])
            if made:
                user.set_unusable_password()
                user.save()
                self.stderr.write(f"To set a password: manage.py changepassword {user.username}")
        if options["token"]:
            self.stdout.write(self.make_token(**options))

    def make_first_admin(self) -> None:
        """Make the admin who makes all other users. One who is there keeps a password that was changed since."""
        if User.objects.filter(groups__name="admin").exists():
            return
        if not settings.TRASH_ADMIN_PASSWORD or User.objects.filter(username="admin").exists():
            self.stderr.write(
                "There is no admin: set TRASH_ADMIN_PASSWORD, or manage.py people --add NAME --role admin"
            )
            return
        user = User(username="admin")
        try:
            validate_password(settings.TRASH_ADMIN_PASSWORD, user)
        except ValidationError as error:
            raise CommandError(f"TRASH_ADMIN_PASSWORD: {' '.join(error.messages)}") from error
        user.set_password(settings.TRASH_ADMIN_PASSWORD)
        user.save()
        give_role(user, "admin")
        self.stderr.write("made the user admin: change its password after the first sign-in")

    def make_local(self) -> None:
        if not settings.TRASH_LOCAL:
            raise CommandError("--local writes passwords to a file: it works only with TRASH_LOCAL=1.")
        path = settings.TRASH_DATA / "credentials"
        done = "wrote" if local.make_people(path) else "kept"
        self.stderr.write(f"{done} users viewer, operator and admin, and a token, in {path}")

    def make_token(self, **options: Any) -> str:
        user = User.objects.filter(username=options["token"]).first()
        if user is None:
            raise CommandError(f"There is no user {options['token']}: create one with --add {options['token']}.")
        days, key = options["days"], new_key()
        Token.objects.create(
            user=user,
            name=options["purpose"],
            digest=digest(key),
            read_only=options["read_only"],
            expires_at=timezone.now() + timedelta(days=days) if days else None,
        )
        return key
