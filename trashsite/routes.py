"""Routes of the API: each ends with a slash or without, and neither form redirects to the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.urls import URLPattern, path


def either(route: str, view: Callable[..., Any], name: str) -> list[URLPattern]:
    """Serve a route under both its forms, and name the one that links use."""
    return [path(route, view, name=name), path(route + "/", view)]
