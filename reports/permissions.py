"""Who may do what, in small named pieces; what is not granted here is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

if TYPE_CHECKING:  # The framework's views import this module, by its settings.
    from rest_framework.views import APIView


def may(request: Request, right: str) -> bool:
    """Say whether who sent this request has the right, and did not come with a read-only token."""
    if getattr(request.auth, "read_only", False):
        return False
    return bool(request.user and request.user.has_perm(right))


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
