"""Headers that every answer has."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from accounts.roles import give_role, make_roles

pytestmark = [pytest.mark.usefixtures("shared_suffix"), pytest.mark.django_db]


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
@pytest.mark.parametrize(
    "address",
    [
        "/", "/reports/", "/reports/?stream=paper", "/reports/nobody", "/reports/nobody/history",
        "/reports/nobody/chart", "/pipeline/", "/pipeline/dead-letters/", "/cans/420/facts/", "/cans/import/",
        "/api/schema/", "/api/docs/", "/login/", "/admin/", "/health/live", "/health/ready", "/nothing",
    ],
)  # fmt: skip
def test_no_shared_cache_keeps_an_answer_and_no_browser_shows_an_old_one(address: str, accept: str) -> None:
    make_roles()
    olga = User.objects.create_user("olga")
    give_role(olga, "operator")
    client = Client(headers={"Accept": accept})
    for _ in range(2):
        said = client.get(address)["Cache-Control"]
        assert {"private, no-cache", "no-store"} & {said, *said.split(", ")}, said
        client.force_login(olga)


def test_an_export_is_kept_by_nobody_else() -> None:
    export = Client().get("/reports/?format=csv")

    assert export["Cache-Control"] == "private, no-cache"
    # Streamed, or whole where it was made at once.
    b"".join(export)
    export.close()
