"""What OPTIONS tells of an address: its methods, as the OpenAPI schema describes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from django.urls import reverse
from rest_framework.metadata import SimpleMetadata
from rest_framework.request import Request

if TYPE_CHECKING:  # The framework's views import this module, by its settings.
    from rest_framework.views import APIView


class Metadata(SimpleMetadata):
    """The answer to OPTIONS: what the schema says of each method of an address, with an example of what to send."""

    def determine_metadata(self, request: Request, view: APIView) -> dict[str, Any]:
        match = request.resolver_match
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", "/" + (match.route if match else ""))
        operations = _paths().get(path) or _paths().get(path + "/") or _paths().get(path.rstrip("/"), {})
        return {
            **super().determine_metadata(request, view),
            "methods": {method.upper(): _told(operation) for method, operation in operations.items()},
            "schema": request.build_absolute_uri(reverse("schema")),
        }


def _told(operation: Mapping[str, Any]) -> dict[str, Any]:
    told = {
        "description": operation.get("description", ""),
        "parameters": operation["parameters"],
        "answers": sorted(operation["responses"]),
    }
    sent = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    return {**told, "examples": [one["value"] for one in sent["examples"].values()]} if "examples" in sent else told


@cache
def _paths() -> Mapping[str, Any]:
    # Its views import this module, by the framework's settings.
    from drf_spectacular.generators import SchemaGenerator

    schema: Mapping[str, Any] = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]
    return dict(schema["paths"])
