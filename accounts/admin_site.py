"""The admin site, which says like every page when no report is being stored."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from reports.web import ingestion
from reports.web.access import visitor_of


class AdminSite(admin.AdminSite):
    """Django's own, with our name and, for trashsite/templates/admin/base_site.html, what is known of ingestion."""

    site_header = site_title = "trashsite"

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        return {**super().each_context(request), "ingestion": ingestion.told_to(visitor_of(request))}
