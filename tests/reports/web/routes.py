"""Every route of the site, read from its url patterns: a test that walks them all finds one that is new."""

from __future__ import annotations

from django.urls import URLPattern, get_resolver


def routes() -> set[str]:
    """Return every route of the site, those with a slash at their end as those without."""
    found = set()
    for pattern in get_resolver().url_patterns:
        if isinstance(pattern, URLPattern) or str(pattern.pattern):
            found.add(str(pattern.pattern))
        else:
            found |= {str(inner.pattern) for inner in pattern.url_patterns}
    return found


def missing_routes(covered: set[str]) -> set[str]:
    """Return the routes of which neither form, with a slash at its end or without, is covered."""
    return {route for route in routes() if not {route, route + "/", route.rstrip("/")} & covered}
