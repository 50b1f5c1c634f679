"""The icon where browsers look for one by themselves, as on the admin's pages."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.templatetags.static import static


def favicon(request: HttpRequest) -> HttpResponse:
    """Lead to the icon's file, whose address changes with its content."""
    return redirect(static("reports/icon.svg"))
