"""What may be asked of the admin's lists in their addresses: what their filters ask, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import HttpRequest

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

    Admin = ModelAdmin[Any]
else:
    Admin = object

#: What the admin's own filters ask of a field: equal, between two dates, and set or not.
LOOKUPS = frozenset({"exact", "in", "gte", "lt", "isnull", "isempty"})


class ListedLookups(Admin):
    """
    Refuses, with 400, what no filter of the list asks.

    Django lets any field of the model be asked anything, a regular expression too: SQLite runs it in this process,
    where one that backtracks stops all threads.
    """

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        fields = {each[0] if isinstance(each, tuple) else each for each in self.get_list_filter(request)}
        field, *rest = lookup.split("__")
        is_listed = field in fields and (not rest or rest[-1] in LOOKUPS)
        return is_listed and super().lookup_allowed(lookup, value, request)
