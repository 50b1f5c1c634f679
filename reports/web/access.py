"""Who may do what, and who looks at a page. What is not granted here is refused."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from django.conf import settings
from django.contrib.messages import get_messages
from django.http import HttpRequest
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from trashsite.database import DATABASE_DOWN

if TYPE_CHECKING:  # The framework's views import this module, by its settings.
    from rest_framework.views import APIView

#: What pages offer only to those who have the right.
OFFERED = (
    "accounts.change_token",
    "accounts.post_reports",
    "accounts.redrive",
    "accounts.see_pipeline",
    "reports.add_savedview",
    "reports.change_alertrule",
    "reports.change_can",
    "reports.change_mounting",
    "reports.delete_savedview",
)


def may(request: Request, right: str) -> bool:
    """Say whether who sent this request has the right, and did not come with a read-only token."""
    if getattr(request.auth, "read_only", False):
        return False
    return bool(request.user and request.user.has_perm(right))


@dataclass(frozen=True, slots=True)
class Notice:
    """One sentence for the visitor. kind: "success", "error" and so on, as Django's messages name it."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Visitor:
    """
    Who looks at a page, and what it offers them; name is "" for whoever has not signed in.

    notices: what earlier requests left to be shown once. is_known: False where the database did not answer.
    """

    name: str = ""
    is_staff: bool = False
    rights: frozenset[str] = frozenset()
    notices: tuple[Notice, ...] = ()
    is_known: bool = True


def visitor_of(request: HttpRequest | Request) -> Visitor:
    """
    Return who sent this request, for the frame of a page; asks the database, so call it before anything is drawn.

    Raises nothing: a page about a broken database has a frame too.
    """
    try:
        user = getattr(request, "user", None)
        if not user or not user.is_authenticated:
            return Visitor()
        rights: Iterable[str] = filter(user.has_perm, OFFERED)
        if getattr(getattr(request, "auth", None), "read_only", False):
            rights = {"accounts.see_pipeline"}.intersection(rights)
        notices = [Notice(message.tags, str(message)) for message in get_messages(request)]
        return Visitor(user.get_username(), user.is_staff, frozenset(rights), tuple(notices))
    except DATABASE_DOWN:
        return Visitor(is_known=False)


class MayRead(BasePermission):
    """Looking: anyone where reads are open, else whoever has shown who they are."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if request.method not in SAFE_METHODS:
            return False
        return settings.TRASH_READS == "open" or bool(request.user and request.user.is_authenticated)


class MaySeePipeline(BasePermission):
    """Looking at the pipeline, and settling dead letters: operators."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if request.method in SAFE_METHODS:
            return bool(request.user and request.user.has_perm("accounts.see_pipeline"))
        return request.method == "POST" and may(request, "accounts.redrive")


class MayPost(MayRead):
    """Looking, and posting reports: operators."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if request.method == "POST":
            return may(request, "accounts.post_reports")
        return super().has_permission(request, view)


class MayEditFacts(MayRead):
    """Looking; changing facts: operators; forgetting them: whoever may delete cans."""

    rights: ClassVar = {
        **dict.fromkeys(("POST", "PUT", "PATCH"), ("reports.add_can", "reports.change_can")),
        "DELETE": ("reports.delete_can",),
    }

    def has_permission(self, request: Request, view: APIView) -> bool:
        if rights := self.rights.get(request.method or ""):
            return all(may(request, right) for right in rights)
        return super().has_permission(request, view)


class MayEditSensors(MayEditFacts):
    """Looking; mounting sensors, and forgetting them: operators."""

    rights: ClassVar = {
        **dict.fromkeys(("POST", "PUT", "PATCH"), ("reports.add_mounting", "reports.change_mounting")),
        "DELETE": ("reports.delete_sensor",),
    }


class MayHandleAlerts(MayEditFacts):
    """Looking at alerts; acknowledging them: operators."""

    rights: ClassVar = {"POST": ("reports.change_alertrule",)}


class MayEditRules(MayEditFacts):
    """Rules of alerts, whose addresses are nobody else's: operators alone."""

    rights: ClassVar = {
        "POST": ("reports.add_alertrule", "reports.change_alertrule"),
        "PUT": ("reports.change_alertrule",),
        "DELETE": ("reports.delete_alertrule",),
    }

    def has_permission(self, request: Request, view: APIView) -> bool:
        if request.method in SAFE_METHODS:
            return bool(request.user and request.user.has_perm("reports.view_alertrule"))
        return super().has_permission(request, view)


class MaySaveViews(MayRead):
    """Looking; saving views and deleting them: operators."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if request.method in ("POST", "DELETE"):
            return may(request, "reports.add_savedview") and may(request, "reports.delete_savedview")
        return super().has_permission(request, view)
