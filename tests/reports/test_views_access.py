"""Who may do what: every route and method, as every kind of visitor."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.test import Client
from django.urls import URLPattern, get_resolver
from django.utils import timezone

from accounts.models import Token, digest
from accounts.roles import give_role, make_roles

pytestmark = [pytest.mark.usefixtures("shared_pipeline"), pytest.mark.django_db]

VISITORS = (
    "anonymous", "viewer", "operator", "admin", "token", "read-only token", "revoked token", "expired token",
    "viewer's token",
)  # fmt: skip

# Per route and method: what each visitor is answered, where reads are for those who signed in.
READ = (401, 200, 200, 200, 200, 200, 401, 401, 200)
OPEN = (200,) * 9
#: The refused keys are refused before anything else, also where nothing is asked of a visitor.
POST = (401, 403, 202, 202, 202, 403, 401, 401, 403)
NEVER = (401, 403, 403, 403, 403, 403, 401, 401, 403)
CLOSED = (405,) * 9
#: Pages with forms know sessions alone: a stranger, with a key or not, is sent to sign in.
FORM = (302, 403, 200, 200, 302, 302, 302, 302, 302)
STAFF = (401, 403, 200, 200, 200, 200, 401, 401, 403)
SETTLE = {code: (401, 403, code, code, code, 403, 401, 401, 403) for code in (400, 405)}
SAVED = (302, 403, 302, 302, 302, 302, 302, 302, 302)
MATRIX: dict[str, dict[str, tuple[int, ...]]] = {
    "": {"GET": READ, "POST": NEVER},
    "reports/": {"GET": READ, "OPTIONS": READ, "POST": POST, "PUT": NEVER, "PATCH": NEVER, "DELETE": NEVER},
    "reports/<str:can_id>": {"GET": tuple(404 if code == 200 else code for code in READ), "OPTIONS": READ,
                             "POST": NEVER, "PUT": NEVER, "PATCH": NEVER, "DELETE": NEVER},
    "reports/<str:can_id>/history": {"GET": tuple(404 if code == 200 else code for code in READ),
                                     "OPTIONS": READ, "POST": NEVER, "PUT": NEVER, "DELETE": NEVER},
    "reports/<str:can_id>/chart": {"GET": tuple(404 if code == 200 else code for code in READ), "POST": NEVER},
    "pipeline/": {"GET": STAFF, "OPTIONS": STAFF, "POST": SETTLE[405], "DELETE": NEVER},
    "pipeline/dead-letters/": {"GET": STAFF, "POST": SETTLE[400], "PUT": NEVER},
    "cans/import/": {"GET": FORM, "POST": FORM},
    "cans/<str:can_id>/facts/": {"GET": FORM, "POST": SAVED},
    "health/live": {"GET": OPEN, "POST": CLOSED, "DELETE": CLOSED},
    # No worker runs here, and it says so to everyone.
    "health/pipeline": {"GET": (503,) * 9, "POST": CLOSED, "DELETE": CLOSED},
    "health/ready": {"GET": OPEN, "POST": CLOSED, "DELETE": CLOSED},
    "api/schema/": {"GET": READ, "POST": NEVER},
    "api/docs/": {"GET": READ, "POST": NEVER},
}  # fmt: skip
#: Django's own, tested there; ours of them are the pages around signing in.
NOT_OURS = {"admin/", "admin/login/", "login/", "logout/", "favicon.ico"}


def routes() -> set[str]:
    """Every route of the site, those with a slash at their end as those without."""
    found = set()
    for pattern in get_resolver().url_patterns:
        if isinstance(pattern, URLPattern) or str(pattern.pattern):
            found.add(str(pattern.pattern))
        else:
            found |= {str(inner.pattern) for inner in pattern.url_patterns}
    return found


def test_every_route_has_its_row() -> None:
    rows = set(MATRIX) | NOT_OURS
    either = rows | {route + "/" for route in rows} | {route.rstrip("/") for route in rows}
    assert routes() - either == set()
    assert rows - routes() == set()


@pytest.fixture
def visit(settings: object) -> object:
    settings.TRASH_READS = "authenticated"  # type: ignore[attr-defined]
    make_roles()
    now = timezone.now()
    users = {}
    for role in ("viewer", "operator", "admin"):
        users[role] = User.objects.create_user(role)
        give_role(users[role], role)
    keys = {
        "token": ("operator", {}),
        "read-only token": ("operator", {"read_only": True}),
        "revoked token": ("admin", {"revoked_at": now}),
        "expired token": ("admin", {"expires_at": now - timedelta(seconds=1)}),
        "viewer's token": ("viewer", {}),
    }
    for name, (role, fields) in keys.items():
        Token.objects.create(user=users[role], name=name, digest=digest(name), **fields)

    def as_visitor(visitor: str, method: str, path: str) -> int:
        client = Client()
        headers = {}
        if visitor in users:
            client.force_login(users[visitor])
        elif visitor in keys:
            headers["Authorization"] = f"Bearer {visitor}"
        body = '{"can_id":"matrix","level":1}'
        answer = client.generic(method, path, body, content_type="application/json", headers=headers)
        return int(answer.status_code)

    return as_visitor


@pytest.mark.parametrize(("route", "method"), [(route, method) for route in MATRIX for method in MATRIX[route]])
def test_each_visitor_gets_what_is_theirs(visit, route: str, method: str) -> None:
    path = "/" + route.replace("<str:can_id>", "nobody")

    got = {visitor: visit(visitor, method, path) for visitor in VISITORS}

    assert got == dict(zip(VISITORS, MATRIX[route][method], strict=True))


def test_reads_are_open_to_all_where_the_setting_says_so(visit, settings) -> None:
    settings.TRASH_READS = "open"

    assert visit("anonymous", "GET", "/reports/") == 200
    assert visit("anonymous", "POST", "/reports/") == 401


def test_a_page_offers_what_one_may_do_and_nothing_else(visit, settings) -> None:
    settings.TRASH_READS = "open"
    for name, may in ((None, False), ("viewer", False), ("operator", True), ("admin", True)):
        client = Client()
        if name:
            client.force_login(User.objects.get(username=name))
        page = client.get("/reports/", headers={"Accept": "text/html"}).content.decode()
        assert ("Send a report" in page) is may
        assert ("/admin/" in page) is may
        assert ("Sign out" in page) is bool(name)


def test_who_may_not_read_is_shown_the_way_in(visit) -> None:
    answer = Client().get("/reports/?page_size=5", headers={"Accept": "text/html"})

    assert answer.status_code == 401
    assert b"/login/?next=/reports/%3Fpage_size%3D5" in answer.content
    docs = Client().get("/api/docs/", headers={"Accept": "text/html"})
    assert (docs.status_code, b"/login/?next=/api/docs/" in docs.content) == (401, True)
    assert AnonymousUser().has_perm("accounts.post_reports") is False
