"""The facts of cans by API: those of one can, of all that are known, and many at once as CSV."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any

from django.db import transaction
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from reports.can_id import is_can_id
from reports.models import HALF_A_PLACE, Can, lacking_coordinate
from reports.web import cursors, facts_csv, facts_schemas, queries, schemas
from reports.web.access import MayEditFacts
from reports.web.admin_log import log_changes
from reports.web.answers import can_links, instant
from reports.web.parsers import ChoiceParser, CSVParser, csv_text
from reports.web.problems import InvalidFields
from reports.web.view import REFUSALS, UNKNOWN, UNREAD, ApiView, page_address, page_parameters, root_address

_NO_FACTS = "No details of this can are known."


@extend_schema_field(OpenApiTypes.DOUBLE)
class Degrees(serializers.DecimalField):
    """A coordinate, rounded to a tenth of a metre."""

    def __init__(self, most: int) -> None:
        super().__init__(9, 6, min_value=-most, max_value=most, allow_null=True, default=None)

    def to_internal_value(self, data: Any) -> Decimal:
        try:
            rounded = round(Decimal(str(data)), 6)
        except (InvalidOperation, OverflowError, ValueError):
            return super().to_internal_value(data)
        return super().to_internal_value(rounded)


class FactsChange(schemas.Strict):
    """What an operator knows of a can, each fact under its rules. PUT clears what it does not name."""

    name = serializers.CharField(max_length=120, allow_blank=True, default="")
    address = serializers.CharField(max_length=240, allow_blank=True, default="")
    stream = serializers.CharField(max_length=64, allow_blank=True, default="")
    latitude = Degrees(90)
    longitude = Degrees(180)
    retired = serializers.BooleanField(default=False, help_text="Out of service, until it reports again.")
    full_from = serializers.IntegerField(
        min_value=1, max_value=100, allow_null=True, default=None,
        help_text="Percent from which on it is full; null: as its stream.",
    )  # fmt: skip
    hysteresis = serializers.IntegerField(
        min_value=0, max_value=50, allow_null=True, default=None,
        help_text="Points below that from which it is no longer full; null: as its stream.",
    )  # fmt: skip

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        super().validate(attrs)
        place = {name: attrs.get(name, getattr(self.instance, name, None)) for name in ("latitude", "longitude")}
        if lacking := lacking_coordinate(**place):
            raise serializers.ValidationError({lacking: HALF_A_PLACE})
        return attrs


class CansView(ApiView):
    """The cans of which facts are known, whether they have ever reported or not."""

    permission_classes = (MayEditFacts,)
    parser_classes = (CSVParser,)
    samples = MappingProxyType(
        {"POST": "can_id,name,address,latitude,longitude\n420,Market square,Market square 3,50.0875,14.4213"}
    )

    @extend_schema(
        operation_id="cans",
        parameters=page_parameters(cursors.MAX_SIZE),
        responses={200: facts_schemas.CansAnswer, **REFUSALS},
        tags=["cans"],
    )
    def get(self, request: Request) -> Response:
        """The facts of all cans of which any are known, by id."""
        query = queries.cans_query(request.query_params)
        cans = list(Can.objects.filter(can_id__gt=query.after or "").order_by("can_id")[: query.size + 1])
        shown, root = cans[: query.size], root_address(request)
        after = cursors.seal(shown[-1].can_id, query.scope) if len(cans) > query.size else None
        return Response(
            {
                "page_size": query.size,
                "results": [_shown(can, root) for can in shown],
                "next": page_address(request, request.build_absolute_uri(request.path), after),
            }
        )

    @extend_schema(
        operation_id="import_cans",
        request={"text/csv": OpenApiTypes.STR},
        responses={200: facts_schemas.Imported, **UNREAD, **REFUSALS},
        tags=["cans"],
    )
    def post(self, request: Request) -> Response:
        """
        Import facts as CSV: all lines, or none where one is wrong.

        The first line names the columns: can_id, and any of name, address, stream, latitude, longitude, retired (yes
        or no). An empty cell clears the fact; a column that is not there leaves it as it is.
        """
        with transaction.atomic():
            plan = facts_csv.plan(csv_text(request))
            if plan.errors:
                raise InvalidFields.of_file(plan.errors)
            log_changes(request.user, facts_csv.apply(plan.changes, timezone.now()), "CSV")
        new = sum(change.is_new for change in plan.changes)
        return Response({"new": new, "changed": len(plan.changes) - new, "same": plan.same})


class CanFactsView(ApiView):
    """What an operator knows of one can: name, address, stream, place, and whether it is in service."""

    permission_classes = (MayEditFacts,)
    parser_classes = (ChoiceParser,)
    samples: Mapping[str, str] = MappingProxyType({"PUT": '{"name": "Market square"}', "PATCH": '{"stream": "paper"}'})

    @extend_schema(
        operation_id="can_facts", responses={200: facts_schemas.CanFacts, **UNKNOWN, **REFUSALS}, tags=["cans"]
    )
    def get(self, request: Request, can_id: str) -> Response:
        """The facts of one can; 404 where none are known, whether it reports or not."""
        can = _known(can_id)
        shown = _shown(can, root_address(request))
        # What a PUT of the same facts sends.
        same = {name: shown[name] for name in FactsChange().get_fields()}
        self.samples = {**self.samples, "PUT": json.dumps(same, indent=1, ensure_ascii=False)}
        return Response(shown)

    @extend_schema(
        operation_id="put_can_facts",
        request=FactsChange,
        responses={200: facts_schemas.CanFacts, 201: facts_schemas.CanFacts, **UNKNOWN, **UNREAD, **REFUSALS},
        tags=["cans"],
    )
    def put(self, request: Request, can_id: str) -> Response:
        """Replace the facts of one can; what is not named is cleared. 201 where none were known."""
        _checked(can_id)
        known = Can.objects.filter(can_id=can_id).first()
        change = FactsChange(known, data=request.data)
        return self._save(request, can_id, change, known)

    @extend_schema(
        operation_id="patch_can_facts",
        request=FactsChange(partial=True),
        responses={200: facts_schemas.CanFacts, **UNKNOWN, **UNREAD, **REFUSALS},
        tags=["cans"],
    )
    def patch(self, request: Request, can_id: str) -> Response:
        """Change those facts that are named."""
        known = _known(can_id)
        return self._save(request, can_id, FactsChange(known, data=request.data, partial=True), known)

    @extend_schema(operation_id="delete_can_facts", responses={204: None, **UNKNOWN, **REFUSALS}, tags=["cans"])
    def delete(self, request: Request, can_id: str) -> Response:
        """Forget the facts of one can; its reports stay. To take it out of service, set `retired` instead."""
        with transaction.atomic():
            log_changes(request.user, [(_known(can_id), None)], "API")
            Can.objects.filter(can_id=can_id).delete()
        return Response(status=204)

    def _save(self, request: Request, can_id: str, change: FactsChange, known: Can | None) -> Response:
        if not change.is_valid():
            raise InvalidFields.of("Nothing was changed.", change.errors)
        values = dict(change.validated_data)
        if "retired" in values:
            since = known and known.retired_at
            values["retired_at"] = (since or timezone.now()) if values.pop("retired") else None
        with transaction.atomic():
            before = Can.objects.select_for_update().filter(can_id=can_id).first()
            can, is_new = Can.objects.update_or_create(can_id=can_id, defaults=values)
            log_changes(request.user, [(before, can)], "API")
        return Response(_shown(can, root_address(request)), status=201 if is_new else 200)


def _checked(can_id: str) -> None:
    """Raise NotFound for what can be no can's id."""
    if not is_can_id(can_id):
        raise NotFound(_NO_FACTS)


def _known(can_id: str) -> Can:
    _checked(can_id)
    can = Can.objects.filter(can_id=can_id).first()
    if can is None:
        raise NotFound(_NO_FACTS)
    return can


def _shown(can: Can, root: str) -> dict[str, Any]:
    return {
        "can_id": can.can_id,
        "name": can.name,
        "address": can.address,
        "stream": can.stream,
        "latitude": None if can.latitude is None else float(can.latitude),
        "longitude": None if can.longitude is None else float(can.longitude),
        "retired": can.retired_at is not None,
        "retired_at": instant(can.retired_at),
        "full_from": can.full_from,
        "hysteresis": can.hysteresis,
        "links": {"report": can_links(root, can.can_id)["self"]},
    }
