"""What the OpenAPI schema needs to know beyond the views: one form of each address, and what a token is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from drf_spectacular.authentication import SessionScheme
from drf_spectacular.extensions import OpenApiAuthenticationExtension

_Endpoint = tuple[str, str, str, Callable[..., Any]]


def one_form_of_each(endpoints: Sequence[_Endpoint]) -> list[_Endpoint]:
    """Drop the second form of an address, with a slash at its end or without: clients need to know one."""
    paths = {path for path, *_ in endpoints}
    twins = {path for path in paths if path + "/" in paths}
    # The fleet's own has the slash, as its links do; all others have none.
    dropped = {"/reports"} | {path + "/" for path in twins - {"/reports"}}
    return [endpoint for endpoint in endpoints if endpoint[0] not in dropped]


def without_pages(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Leave the pages out: they are for people, and no two programs would read them alike."""
    for methods in result["paths"].values():
        for operation in methods.values():
            # A client says what it takes by its Accept header; the parameter is for links in pages.
            operation["parameters"] = [each for each in operation.get("parameters", ()) if each["name"] != "format"]
            for response in operation.get("responses", {}).values():
                response.get("content", {}).pop("text/html", None)
    return result


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """`Authorization: Bearer KEY`, made at `/tokens` or by `manage.py people --token`."""

    target_class = "accounts.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "A key made at /tokens: trash_..."}


class OurSessionScheme(SessionScheme):  # type: ignore[no-untyped-call]
    """A session's cookie, as a browser sends it."""

    target_class = "accounts.authentication.SessionAuthentication"
