"""Users, groups and tokens in the admin site. A token's key is shown once, when it is made."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from accounts.models import Token, digest, new_key
from trashsite.admin_lookups import ListedLookups

admin.site.unregister([Group, User])


@admin.register(Group)
class OurGroupAdmin(ListedLookups, GroupAdmin):
    pass


@admin.register(User)
class OurUserAdmin(ListedLookups, UserAdmin):  # type: ignore[type-arg]
    pass


@admin.register(Token)
class TokenAdmin(ListedLookups, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("name", "user", "read_only", "created_at", "expires_at", "revoked_at", "last_used_at")
    list_filter = ("read_only", "revoked_at")
    search_fields = ("name", "user__username")
    list_select_related = ("user",)
    readonly_fields = ("created_at", "last_used_at")
    fields = ("user", "name", "read_only", "expires_at", "revoked_at", "created_at", "last_used_at")
    actions = ("revoke",)

    def get_readonly_fields(self, request: HttpRequest, obj: Token | None = None) -> tuple[str, ...]:
        # A token keeps its user, or the audit log would name the wrong person.
        return (*self.readonly_fields, "user") if obj else self.readonly_fields

    def save_model(self, request: HttpRequest, obj: Token, form: forms.ModelForm[Token], change: bool) -> None:
        if not change:
            # Only in memory, until the answer to this request shows it.
            obj.key = new_key()
            obj.digest = digest(obj.key)
        super().save_model(request, obj, form, change)

    def response_add(self, request: HttpRequest, obj: Token, post_url_continue: str | None = None) -> HttpResponse:
        """Show the key at once: in a message it would lie in the session, readable, until a page shows it."""
        context = {**self.admin_site.each_context(request), "title": "A new token", "token": obj, "key": obj.key}
        return TemplateResponse(request, "admin/accounts/token/made.html", context)

    @admin.action(description="Revoke the selected tokens", permissions=("change",))
    def revoke(self, request: HttpRequest, queryset: QuerySet[Token]) -> None:
        tokens: Any = queryset.filter(revoked_at=None)
        for token in tokens:
            self.log_change(request, token, "revoked")
        count = queryset.filter(revoked_at=None).update(revoked_at=timezone.now())
        self.message_user(request, f"{count} revoked.")
