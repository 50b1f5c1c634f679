"""The fleet's facts and the saved views in the admin."""

from django.contrib import admin

from reports.models import Can, SavedView
from trashsite.admin_lookups import ListedLookups


@admin.register(Can)
class CanAdmin(ListedLookups, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("can_id", "name", "address", "stream", "retired_at")
    list_filter = ("stream", ("retired_at", admin.EmptyFieldListFilter))
    search_fields = ("can_id", "name", "address")
    show_full_result_count = False


@admin.register(SavedView)
class SavedViewAdmin(ListedLookups, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("name", "query", "owner")
    list_select_related = ("owner",)
