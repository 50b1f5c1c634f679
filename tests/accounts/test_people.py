"""The command that makes roles and people."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django.test import Client

from accounts import local
from accounts.models import Token, digest

pytestmark = pytest.mark.django_db


@pytest.fixture
def path(settings, tmp_path: Path) -> Path:
    settings.TRASH_LOCAL, settings.TRASH_DATA = True, tmp_path / "data"
    return tmp_path / "data" / "credentials"


def people(*arguments: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("people", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_the_roles_differ_in_what_they_may_do() -> None:
    people()

    rights = {group.name: set(group.permissions.values_list("codename", flat=True)) for group in Group.objects.all()}
    assert rights["viewer"] == set()
    assert {"post_reports", "redrive", "see_pipeline"} <= rights["operator"]
    assert "change_token" not in rights["operator"]
    assert rights["operator"] | {"change_token", "change_user", "add_group"} <= rights["admin"]


def test_local_people_can_sign_in_and_their_file_is_their_owners_alone(path: Path) -> None:
    out, err = people("--local")

    credentials = local.read(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert set(credentials) == {"viewer", "operator", "admin", "token"}
    for name in ("viewer", "operator", "admin"):
        assert Client().login(username=name, password=credentials[name])
    assert User.objects.get(username="admin").is_superuser
    assert Token.objects.get().digest == digest(credentials["token"])
    for secret in credentials.values():
        assert secret not in out + err


def test_local_people_are_made_once(path: Path) -> None:
    people("--local")
    before = path.read_text()
    passwords = set(User.objects.values_list("password", flat=True))

    people("--local")

    assert path.read_text() == before
    assert set(User.objects.values_list("password", flat=True)) == passwords


def test_a_lost_database_gets_the_files_people_and_a_lost_file_new_secrets(path: Path) -> None:
    people("--local")
    before = local.read(path)
    User.objects.all().delete()

    people("--local")
    assert local.read(path) == before
    assert Client().login(username="viewer", password=before["viewer"])

    path.unlink()
    people("--local")
    assert not set(local.read(path).values()) & set(before.values())
    assert not Client().login(username="viewer", password=before["viewer"])
    assert [token.digest for token in Token.objects.all()] == [digest(local.read(path)["token"])]


def test_generated_people_are_refused_outside_local_mode(path: Path, settings) -> None:
    settings.TRASH_LOCAL = False

    with pytest.raises(CommandError, match="TRASH_LOCAL"):
        people("--local")
    assert not path.exists()


def test_a_user_gets_a_role_and_a_token_is_printed_once() -> None:
    _, hint = people("--add", "olga", "--role", "operator")
    key, _ = people("--token", "olga", "--for", "ci", "--read-only", "--days", "90")

    olga = User.objects.get(username="olga")
    assert olga.has_perm("accounts.post_reports")
    assert olga.is_staff
    assert "changepassword olga" in hint
    token = Token.objects.get()
    assert (token.digest, token.read_only) == (digest(key.strip()), True)
    assert (token.expires_at - token.created_at).days in (89, 90)

    people("--add", "olga")
    assert not User.objects.get(username="olga").has_perm("accounts.post_reports")
    with pytest.raises(CommandError, match="--add nobody"):
        people("--token", "nobody")


def test_the_first_admin_can_sign_in_with_the_password_that_was_given(settings) -> None:
    settings.TRASH_ADMIN_PASSWORD = "mX2-vq81-Lw9t"

    people("--first-admin")

    assert Client().login(username="admin", password="mX2-vq81-Lw9t")
    assert User.objects.get().has_perm("accounts.change_token")
    assert User.objects.get().is_staff


def test_an_admin_who_changed_the_password_or_was_barred_stays_so(settings) -> None:
    settings.TRASH_ADMIN_PASSWORD = "mX2-vq81-Lw9t"
    people("--first-admin")
    admin = User.objects.get()
    admin.set_password("another")
    admin.is_active = False
    admin.save()

    assert people("--first-admin") == ("", "")

    admin.refresh_from_db()
    assert (admin.check_password("another"), admin.is_active) == (True, False)


def test_a_user_who_has_the_name_admin_gets_no_rights_by_it(settings) -> None:
    settings.TRASH_ADMIN_PASSWORD = "mX2-vq81-Lw9t"
    people("--add", "admin", "--role", "viewer")

    _, hint = people("--first-admin")

    assert "There is no admin" in hint
    user = User.objects.get()
    assert (user.is_staff, user.has_usable_password()) == (False, False)


def test_a_weak_password_of_the_first_admin_is_refused_by_the_name_of_its_variable(settings) -> None:
    settings.TRASH_ADMIN_PASSWORD = "admin"

    with pytest.raises(CommandError, match="TRASH_ADMIN_PASSWORD: The password is too similar"):
        people("--first-admin")
    assert not User.objects.exists()


def test_the_admin_asks_at_the_same_door(client: Client) -> None:
    assert client.get("/admin/", follow=True).redirect_chain[-1][0] == "/login/?next=%2Fadmin%2F"

    client.force_login(User.objects.create_user("vera"))
    assert b"Sign in" in client.get("/admin/", follow=True).content


def test_sign_in_attempts_are_limited_by_address(settings) -> None:
    settings.TRASH_RATES = {**settings.TRASH_RATES, "login": "2/h"}
    guess = {"username": "viewer", "password": "guess"}

    codes = [Client(REMOTE_ADDR="192.0.2.9").post("/login/", guess).status_code for _ in range(3)]

    assert codes == [200, 200, 429]
