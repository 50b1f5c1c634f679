"""Who may do what: every route and method, as every kind of visitor."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib import admin
from django.contrib.auth.models import AnonymousUser, User
from django.test import Client
from django.utils import timezone
from drf_spectacular.views import SpectacularAPIView

from accounts.models import Token, digest
from accounts.roles import give_role, make_roles
from tests.reports.web.routes import missing_routes, routes

pytestmark = [pytest.mark.usefixtures("shared_suffix"), pytest.mark.django_db]

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
FORM_OF_STAFF = (302, 302, 200, 200, 302, 302, 302, 302, 302)
FORM_OF_NONE = tuple(404 if code == 200 else code for code in FORM)
UNREAD = tuple(405 if code == 200 else code for code in READ)
UNTAKEN = tuple(405 if code == 200 else code for code in FORM)
STAFF = (401, 403, 200, 200, 200, 200, 401, 401, 403)
STAFF_OF_NONE, STAFF_UNGOT = (tuple(code if each == 200 else each for each in STAFF) for code in (404, 405))
SETTLE = {code: (401, 403, code, code, code, 403, 401, 401, 403) for code in (400, 404, 405, 415)}
#: By a token: of an operator, one that may only read, a revoked and an expired one, and one of a viewer.
FORBIDDEN = (403, 403, 401, 401, 403)
#: A token makes no tokens, and reads its owner's.
MAKE = (401, 400, 400, 400, 403, 403, 401, 401, 403)
#: There is no such token; a read-only one revokes none, and no token POSTs.
REVOKE = {code: (401, code, code, code, code, 403, 401, 401, code) for code in (404, 405)}
POSTED = (401, 405, 405, 405, 403, 403, 401, 401, 403)
SAVED = (302, 403, 302, 302, 302, 302, 302, 302, 302)
UNKNOWN = tuple(404 if code == 200 else code for code in READ)
UNGOT = tuple(405 if code == 200 else code for code in READ)
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE")


def row(get: tuple[int, ...], *, otherwise: tuple[int, ...] = NEVER, **methods: tuple[int, ...]) -> Row:
    """What each method is answered; OPTIONS as GET where nothing else is said, and HEAD always."""
    return dict.fromkeys(METHODS, otherwise) | {"GET": get, "HEAD": get, "OPTIONS": get} | methods


Row = dict[str, tuple[int, ...]]
MATRIX: dict[str, Row] = {
    "": row(READ),
    "reports/": row(READ, POST=POST),
    "reports/<str:can_id>": row(UNKNOWN, OPTIONS=READ),
    "reports/<str:can_id>/history": row(UNKNOWN, OPTIONS=READ),
    "reports/<str:can_id>/chart": row(UNKNOWN, OPTIONS=READ),
    # The body that is sent holds members that no correction has.
    "reports/<str:can_id>/emptyings": row(
        UNKNOWN,
        OPTIONS=READ,
        POST=SETTLE[400],
        PUT=SETTLE[405],
        PATCH=SETTLE[405],
        DELETE=(401, 403, 403, 405, *FORBIDDEN),
    ),
    "streams": row(READ),
    "streams/<str:stream>": row(
        READ, POST=SETTLE[405], PUT=SETTLE[400], PATCH=SETTLE[405], DELETE=(401, 403, 403, 404, *FORBIDDEN)
    ),
    "streams/enter/": row(FORM, OPTIONS=FORM, POST=FORM, PUT=FORM, otherwise=UNTAKEN),
    "cans/<str:can_id>/emptying/": row(FORM, POST=FORM, PUT=FORM, otherwise=UNTAKEN),
    "over-time": row(READ),
    "over-time/map": row(READ),
    "collections": row(READ),
    "collections/what-if": row(READ),
    "alerts": row(READ, POST=SETTLE[400]),
    "alerts/rules": row(STAFF, POST=SETTLE[400], PUT=SETTLE[405], DELETE=SETTLE[405]),
    "alerts/rules/add/": row(FORM, OPTIONS=FORM, POST=FORM, PUT=FORM, otherwise=UNTAKEN),
    "alerts/rules/<int:pk>/edit/": row(FORM_OF_NONE, OPTIONS=FORM_OF_NONE, otherwise=FORM_OF_NONE),
    "alerts/rules/<int:pk>": row(STAFF_OF_NONE, OPTIONS=STAFF, POST=SETTLE[405], PUT=SETTLE[404], DELETE=SETTLE[404]),
    "alerts/rules/<int:pk>/secret": row(
        STAFF_UNGOT, OPTIONS=STAFF, POST=SETTLE[404], PUT=SETTLE[405], DELETE=SETTLE[405]
    ),
    "pipeline/": row(STAFF, POST=SETTLE[405]),
    "pipeline/dead-letters/": row(STAFF, POST=SETTLE[400]),
    # Django's form views take PUT for POST.
    "cans/import/": row(FORM, OPTIONS=FORM, POST=FORM, PUT=FORM, otherwise=UNTAKEN),
    "cans": row(READ, POST=SETTLE[415], PUT=SETTLE[405], PATCH=SETTLE[405], DELETE=(401, 403, 403, 405, *FORBIDDEN)),
    # The body that is sent holds members that are no facts.
    "cans/<str:can_id>": row(
        UNKNOWN,
        OPTIONS=READ,
        POST=SETTLE[405],
        PUT=SETTLE[400],
        PATCH=SETTLE[404],
        DELETE=(401, 403, 403, 404, *FORBIDDEN),
    ),
    "cans/<str:can_id>/changes": row(UNKNOWN, OPTIONS=READ),
    "cans/<str:can_id>/facts/": row(FORM, POST=SAVED, PUT=SAVED, otherwise=UNTAKEN),
    "sensors": row(READ, POST=SETTLE[415], PUT=SETTLE[405], PATCH=SETTLE[405], DELETE=SETTLE[405]),
    "sensors/waiting": row(READ, POST=SETTLE[405], PUT=SETTLE[405], PATCH=SETTLE[405], DELETE=SETTLE[405]),
    "sensors/<path:key>": row(
        UNKNOWN, OPTIONS=READ, POST=SETTLE[405], PUT=SETTLE[405], PATCH=SETTLE[405], DELETE=SETTLE[404]
    ),
    # The body that is sent holds a member that no mounting has.
    "sensors/<path:key>/mountings": row(
        UNREAD, OPTIONS=READ, POST=SETTLE[400], PUT=SETTLE[405], PATCH=SETTLE[405], DELETE=SETTLE[405]
    ),
    "sensors/<path:key>/mountings/<str:pk>": row(
        UNREAD, OPTIONS=READ, POST=SETTLE[405], PUT=SETTLE[405], PATCH=SETTLE[404], DELETE=SETTLE[405]
    ),
    "sensors/<path:key>/mountings/<str:pk>/empty": row(
        UNREAD, OPTIONS=READ, POST=SETTLE[404], PUT=SETTLE[405], PATCH=SETTLE[405], DELETE=SETTLE[405]
    ),
    "sensors/explain/": row(FORM, OPTIONS=FORM, POST=FORM, PUT=FORM, otherwise=UNTAKEN),
    "sensors/mount/": row(FORM, OPTIONS=FORM, POST=FORM, PUT=FORM, otherwise=UNTAKEN),
    "mountings/<int:pk>/": row(FORM_OF_NONE, OPTIONS=FORM, POST=FORM_OF_NONE, PUT=FORM_OF_NONE, otherwise=UNTAKEN),
    # Sessions and tokens count for nothing there: only the source's secret does.
    "uplinks/<str:name>": row(CLOSED, OPTIONS=OPEN, POST=(401,) * 9, otherwise=CLOSED),
    "tokens": row(READ, POST=MAKE, otherwise=REVOKE[405]),
    "tokens/<int:token_id>": row(UNKNOWN, OPTIONS=READ, POST=POSTED, DELETE=REVOKE[404], otherwise=REVOKE[405]),
    "views": row(READ, POST=SETTLE[400], DELETE=SETTLE[405]),
    "views/<int:view_id>": row(UNGOT, OPTIONS=READ, POST=SETTLE[404], DELETE=SETTLE[404]),
    "health/live": row(OPEN, otherwise=CLOSED),
    # No worker runs here, and it says so to everyone.
    "health/pipeline": row((503,) * 9, OPTIONS=OPEN, otherwise=CLOSED),
    "health/ready": row(OPEN, otherwise=CLOSED),
    "api/schema/": row(READ),
    "api/docs/": row(READ),
    "login/": row(OPEN, POST=OPEN, PUT=OPEN, otherwise=CLOSED),
    "logout/": row(CLOSED, OPTIONS=OPEN, POST=(302,) * 9, otherwise=CLOSED),
    "favicon.ico": row((302,) * 9, otherwise=(302,) * 9),
    "admin/login/": row((302,) * 9, TRACE=CLOSED, otherwise=(302,) * 9),
}
#: Django's own, whose every page asks the same question first; below is what it answers.
DJANGOS = {"admin/"}


def path_of(route: str) -> str:
    path = "/" + re.sub("<str:[a-z_]+>", "nobody", route)
    return path.replace("<int:pk>", "1").replace("<int:token_id>", "0").replace("<int:view_id>", "999")


def test_every_route_has_its_row() -> None:
    rows = set(MATRIX) | DJANGOS
    assert missing_routes(rows) == set()
    assert rows - routes() == set()


class NoSchema:
    def __init__(self, **_: object) -> None:
        pass

    def get_schema(self, **_: object) -> dict[str, object]:
        return {}


@pytest.fixture
def visit(settings: object, monkeypatch: pytest.MonkeyPatch) -> object:
    # To write the schema takes 0.3 s of CPU each time; who gets it is asked before.
    monkeypatch.setattr(SpectacularAPIView, "generator_class", NoSchema)
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


@pytest.mark.parametrize("route", MATRIX)
def test_each_visitor_gets_what_is_theirs(visit, route: str) -> None:
    path = path_of(route)

    got = {method: tuple(visit(visitor, method, path) for visitor in VISITORS) for method in METHODS}

    assert got == MATRIX[route]


@pytest.mark.parametrize("route", [route for route in MATRIX if not route.startswith(("health/", "uplinks/"))])
def test_no_session_changes_anything_without_its_csrf_token(visit, route: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.get(username="admin"))

    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = client.generic(method, path_of(route), '{"can_id":"1","level":1}', content_type="application/json")
        assert (method, answer.status_code) == (method, 403)


#: What of Django's admin is whose, by model: its list, and the form that adds one.
ADMIN = {
    "accounts/token": (302, 302, 403, 200, 302, 302, 302, 302, 302),
    "auth/user": (302, 302, 403, 200, 302, 302, 302, 302, 302),
    "auth/group": (302, 302, 403, 200, 302, 302, 302, 302, 302),
    "reports/alertrule": FORM_OF_STAFF,
    "reports/can": FORM_OF_STAFF,
    "reports/savedview": FORM_OF_STAFF,
    "reports/sensor": FORM_OF_STAFF,
    "reports/streamlimits": FORM_OF_STAFF,
    "reports/uplinksource": (302, 302, 403, 200, 302, 302, 302, 302, 302),
}


def test_the_admin_shows_each_what_is_theirs_and_takes_no_tokens(visit) -> None:
    registered = {f"{model._meta.app_label}/{model._meta.model_name}" for model in admin.site._registry}
    assert registered == set(ADMIN)

    for model, expected in ADMIN.items():
        for page in ("", "add/"):
            got = tuple(visit(visitor, "GET", f"/admin/{model}/{page}") for visitor in VISITORS)
            assert (model, page, got) == (model, page, expected)
    assert tuple(visit(visitor, "GET", "/admin/") for visitor in VISITORS) == FORM_OF_STAFF


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
