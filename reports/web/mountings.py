"""Mountings by API: mount a sensor in a can, change a mounting or its calibration."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import MappingProxyType

from django.contrib.admin.models import ADDITION, CHANGE
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from reports.mounting_changes import change, mount, take_present_as_empty
from reports.web import schemas, sensor_schemas
from reports.web.access import MayEditSensors
from reports.web.admin_log import log_action
from reports.web.known_sensor import known_mounting
from reports.web.parsers import ChoiceParser
from reports.web.problems import InvalidFields
from reports.web.sensor_values import mounting_json
from reports.web.view import REFUSALS, UNKNOWN, UNREAD, ApiView

_NOTHING = "Nothing was changed."
_PK = OpenApiParameter("id", int, OpenApiParameter.PATH)


class MountingChange(schemas.Strict):
    """What a PATCH may change of a mounting."""

    since = serializers.DateTimeField(
        required=False, help_text="Mounted at; not in the future, and not before the end of an earlier mounting."
    )
    until = serializers.DateTimeField(allow_null=True, required=False, help_text="Taken out at; null: still there.")
    empty_mm = serializers.IntegerField(
        allow_null=True, required=False, min_value=1, max_value=100_000, help_text="Distance in the empty can."
    )
    full_mm = serializers.IntegerField(
        allow_null=True, required=False, min_value=0, max_value=100_000, help_text="Distance where it counts as full."
    )
    blind_mm = serializers.IntegerField(
        allow_null=True, required=False, min_value=0, max_value=100_000, help_text="Nearer it cannot measure."
    )
    is_blind_full = serializers.BooleanField(required=False, help_text="Whether nearer than that means full.")
    holds_tilted = serializers.BooleanField(required=False, help_text="Whether readings of a tilted sensor are held.")


class MountingSent(MountingChange):
    """Where a sensor is from an instant on."""

    can_id = serializers.CharField(max_length=128)
    since = serializers.DateTimeField(
        required=False, help_text="Default: now; then nothing that the sensor measured before is stored."
    )
    channel = serializers.CharField(max_length=64, required=False, allow_blank=True, help_text="Default: all.")
    model = serializers.CharField(
        max_length=64, required=False, allow_blank=True, help_text="Default: as its messages tell."
    )


class MountingsView(ApiView):
    """The mountings of one sensor."""

    permission_classes = (MayEditSensors,)
    parser_classes = (ChoiceParser,)
    samples = MappingProxyType({"POST": '{"can_id": "420", "empty_mm": 1500, "full_mm": 200}'})

    @extend_schema(
        operation_id="mount_sensor",
        request=MountingSent,
        responses={200: sensor_schemas.MountingAnswer, 201: sensor_schemas.MountingAnswer, **UNREAD, **REFUSALS},
        tags=["sensors"],
    )
    def post(self, request: Request, key: str) -> Response:
        """
        Mount a sensor in a can, registered or not; where it is in another can then, that mounting ends.

        What it measured from `since` on, and sent in the last 14 days, is stored under the can within half a minute;
        what it measured before `since` is not. Without `since`, where it is in this can already under the same
        calibration, that mounting is answered. No answer says whether sensor and can have sent anything yet.
        """
        sent = MountingSent(data=request.data)
        if not sent.is_valid():
            raise InvalidFields.of(_NOTHING, sent.errors)
        values = dict(sent.validated_data)
        since = values.pop("since", None)
        with _all_or_nothing():
            mounting, is_new = mount(key, values.pop("can_id"), since, timezone.now(), **values)
            log_action(
                request.user,
                mounting.sensor,
                ADDITION if is_new else CHANGE,
                f"mounted in {mounting.can_id} by API",
            )
        return Response(mounting_json(mounting), status=201 if is_new else 200)


class MountingView(ApiView):
    """One mounting."""

    permission_classes = (MayEditSensors,)
    parser_classes = (ChoiceParser,)
    samples = MappingProxyType({"PATCH": '{"empty_mm": 1500, "full_mm": 200}'})

    @extend_schema(
        operation_id="change_mounting",
        parameters=[_PK],
        request=MountingChange(partial=True),
        responses={200: sensor_schemas.MountingAnswer, **UNKNOWN, **UNREAD, **REFUSALS},
        tags=["sensors"],
    )
    def patch(self, request: Request, key: str, pk: str) -> Response:
        """
        Change the calibration of a mounting, its begin or its end. Reports that are stored stay as they are.

        What the sensor measured since an earlier begin, and sent in the last 14 days while it had no can, is stored
        within half a minute.
        """
        mounting = known_mounting(key, pk)
        sent = MountingChange(data=request.data)
        if not sent.is_valid():
            raise InvalidFields.of(_NOTHING, sent.errors)
        with _all_or_nothing():
            change(mounting, sent.validated_data)
            log_action(request.user, mounting.sensor, CHANGE, f"by API: {', '.join(sent.validated_data)}")
        return Response(mounting_json(mounting))


class EmptyNowView(ApiView):
    """The calibration of a can by its empty state."""

    permission_classes = (MayEditSensors,)
    parser_classes = (ChoiceParser,)
    samples = MappingProxyType({"POST": ""})

    @extend_schema(
        operation_id="empty_now",
        parameters=[_PK],
        request=None,
        responses={200: sensor_schemas.MountingAnswer, **UNKNOWN, **UNREAD, **REFUSALS},
        tags=["sensors"],
    )
    def post(self, request: Request, key: str, pk: str) -> Response:
        """Take the sensor's present reading as the distance in the empty can."""
        mounting = known_mounting(key, pk)
        with _all_or_nothing():
            take_present_as_empty(mounting)
            log_action(request.user, mounting.sensor, CHANGE, f"empty at {mounting.empty_mm} mm, by API")
        return Response(mounting_json(mounting))


@contextmanager
def _all_or_nothing() -> Iterator[None]:
    """Write what the body changes, or nothing of it: raises InvalidFields where it breaks a rule of the models."""
    try:
        with transaction.atomic():
            yield
    except ValidationError as error:
        named = error.message_dict if hasattr(error, "error_dict") else {"message": error.messages}
        raise InvalidFields(
            _NOTHING, [("message" if name == "__all__" else name, " ".join(said)) for name, said in named.items()]
        ) from None
