"""Sensors: those that are registered, where each is mounted, and those that wait to be, as API and as one page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from reports import store
from reports.mounting_changes import change, mount
from reports.mountings_csv import WrongLines, import_mountings
from reports.sensor_models import Mounting, Sensor, canonical_key
from reports.web import cursors, queries, schemas, sensor_schemas
from reports.web.access import MayEditSensors
from reports.web.parsers import ChoiceParser, CSVParser, csv_text
from reports.web.problems import InvalidFields
from reports.web.rendering import Page
from reports.web.sensor_values import ShownWaiting, mounting_json, shown, shown_waiting, state_of
from reports.web.view import REFUSALS, UNKNOWN, UNREAD, ApiView, page_address, page_parameters

#: Sensors among which one page with a filter is looked for.
MOST_LOOKED_AT = 500
_UNKNOWN = "No such sensor is registered."
_NOTHING = "Nothing was changed."


@dataclass(frozen=True)
class SensorsPage(Page):
    """The registered sensors, and those that wait."""

    template: ClassVar[str] = "reports/sensors.html"

    waiting: Sequence[ShownWaiting]


class MountingChange(schemas.Strict):
    """What a PATCH may change of a mounting."""

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
    since = serializers.DateTimeField(required=False, help_text="Default: now.")
    channel = serializers.CharField(max_length=64, required=False, allow_blank=True, help_text="Default: all.")
    model = serializers.CharField(
        max_length=64, required=False, allow_blank=True, help_text="Default: as its messages tell."
    )


class SensorsView(ApiView):
    """The sensors that are registered, and where each is mounted."""

    permission_classes = (MayEditSensors,)
    parser_classes = (CSVParser,)
    samples = MappingProxyType({"POST": "key,can_id,empty_mm,full_mm\n24E124126A148401,420,1500,200"})

    @extend_schema(
        operation_id="sensors",
        parameters=[
            OpenApiParameter("battery", str, enum=["low"], description="Those whose battery is low."),
            *page_parameters(cursors.MAX_SIZE),
        ],
        responses={200: sensor_schemas.SensorsAnswer, **REFUSALS},
        tags=["sensors"],
    )
    def get(self, request: Request) -> Response:
        """
        All registered sensors by key, each with its mountings and what it told last.

        With `battery=low` those whose battery is low: then a page may have fewer, and `next` goes on.
        """
        query = queries.sensors_query(request.query_params)
        found, last = _page_of(query.after or "", MOST_LOOKED_AT if query.battery else query.size)
        sealed = cursors.seal(last, query.scope) if last else None
        data = {
            "page_size": query.size,
            "results": [
                each for each in shown(found) if not query.battery or (each.state and each.state.is_battery_low)
            ],
            "next": page_address(request, request.build_absolute_uri(request.path), sealed),
        }
        if not self.is_page:
            return Response(data)
        return Response(SensorsPage(data, waiting=shown_waiting(timezone.now())))

    @extend_schema(
        operation_id="import_mountings",
        request={"text/csv": OpenApiTypes.STR},
        responses={200: sensor_schemas.MountingsImported, **UNREAD, **REFUSALS},
        tags=["sensors"],
    )
    def post(self, request: Request) -> Response:
        """
        Mount sensors by CSV: all lines, or none where one is wrong.

        The first line names the columns: key and can_id, and any of channel, model, since, until, empty_mm, full_mm,
        blind_mm, is_blind_full and holds_tilted (yes or no). What a sensor sent before is stored then.
        """
        try:
            with transaction.atomic():
                counts = import_mountings(csv_text(request), timezone.now())
                _log(request, None, CHANGE, f"mounted by CSV: {counts['new']} new")
        except WrongLines as error:
            raise InvalidFields.of_file(error.errors) from None
        return Response(counts)


def _page_of(after: str, size: int) -> tuple[list[Sensor], str | None]:
    """Return up to `size` sensors after a position, and the position after them, None at the end."""
    # A key and a channel are one position: a key holds no control character.
    key, _, channel = after.partition("\x1f")
    rest = Sensor.objects.filter(key__gt=key) | Sensor.objects.filter(key=key, channel__gt=channel)
    rows = list(rest.order_by("key", "channel").prefetch_related("mountings")[: size + 1])
    some = rows[:size]
    return some, f"{some[-1].key}\x1f{some[-1].channel}" if len(rows) > size else None


class WaitingSensorsView(ApiView):
    """The sensors that sent something and that nobody has mounted."""

    permission_classes = (MayEditSensors,)

    @extend_schema(
        operation_id="waiting_sensors",
        responses={200: sensor_schemas.WaitingSensorsAnswer, **REFUSALS},
        tags=["sensors"],
    )
    def get(self, request: Request) -> Response:
        """Sensors that wait to be mounted, those first that sent last. Mount one, and what it sent is stored."""
        return Response({"results": shown_waiting(timezone.now())})


class SensorView(ApiView):
    """One registered sensor with all its channels."""

    permission_classes = (MayEditSensors,)

    @extend_schema(
        operation_id="sensor", responses={200: sensor_schemas.SensorAnswer, **UNKNOWN, **REFUSALS}, tags=["sensors"]
    )
    def get(self, request: Request, key: str) -> Response:
        """The channels of one sensor, where each is mounted, and what it told last."""
        return Response({"key": _key(key), "channels": shown(_known(key))})

    @extend_schema(operation_id="delete_sensor", responses={204: None, **UNKNOWN, **REFUSALS}, tags=["sensors"])
    def delete(self, request: Request, key: str) -> Response:
        """Forget a sensor and its mountings; the reports that it made stay."""
        with transaction.atomic():
            for sensor in _known(key):
                _log(request, sensor, DELETION, "by API")
                sensor.delete()
        return Response(status=204)


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

        What it sent from `since` on, for up to 14 days, is stored under the can some seconds later.
        """
        sent = MountingSent(data=request.data)
        if not sent.is_valid():
            raise InvalidFields.of(_NOTHING, sent.errors)
        values = dict(sent.validated_data)
        since = values.pop("since", None) or timezone.now()
        try:
            with transaction.atomic():
                mounting, is_new = mount(key, values.pop("can_id"), since, **values)
                _log(request, mounting.sensor, ADDITION if is_new else CHANGE, f"mounted in {mounting.can_id} by API")
        except ValidationError as error:
            raise invalid(error) from None
        return Response(mounting_json(mounting), status=201 if is_new else 200)


class MountingView(ApiView):
    """One mounting."""

    permission_classes = (MayEditSensors,)
    parser_classes = (ChoiceParser,)
    samples = MappingProxyType({"PATCH": '{"empty_mm": 1500, "full_mm": 200}'})

    @extend_schema(
        operation_id="change_mounting",
        request=MountingChange(partial=True),
        responses={200: sensor_schemas.MountingAnswer, **UNKNOWN, **UNREAD, **REFUSALS},
        tags=["sensors"],
    )
    def patch(self, request: Request, key: str, pk: int) -> Response:
        """Change the calibration of a mounting, or its end. Reports that are stored stay as they are."""
        mounting = _mounting(key, pk)
        sent = MountingChange(data=request.data)
        if not sent.is_valid():
            raise InvalidFields.of(_NOTHING, sent.errors)
        try:
            with transaction.atomic():
                change(mounting, sent.validated_data)
                _log(request, mounting.sensor, CHANGE, f"by API: {', '.join(sent.validated_data)}")
        except ValidationError as error:
            raise invalid(error) from None
        return Response(mounting_json(mounting))


class EmptyNowView(ApiView):
    """The calibration of a can by its empty state."""

    permission_classes = (MayEditSensors,)
    parser_classes = (ChoiceParser,)
    samples = MappingProxyType({"POST": ""})

    @extend_schema(
        operation_id="empty_now",
        request=None,
        responses={200: sensor_schemas.MountingAnswer, **UNKNOWN, **UNREAD, **REFUSALS},
        tags=["sensors"],
    )
    def post(self, request: Request, key: str, pk: int) -> Response:
        """Take the sensor's present reading as the distance in the empty can."""
        mounting = _mounting(key, pk)
        try:
            with transaction.atomic():
                take_present_as_empty(mounting)
                _log(request, mounting.sensor, CHANGE, f"empty at {mounting.empty_mm} mm, by API")
        except ValidationError as error:
            raise invalid(error) from None
        return Response(mounting_json(mounting))


def take_present_as_empty(mounting: Mounting) -> None:
    """
    Take the distance that a sensor measured last as the one in the empty can; full is 0 mm where it was not entered.

    Raises ValidationError where no distance is known, StoreUnavailable.
    """
    key = mounting.sensor.key
    state = state_of(store.sensor_states([key])[key].text)
    distance = state and state.facts.get("distance")
    if mounting.sensor.channel or not distance or distance.at < mounting.since:
        raise ValidationError({"empty_mm": "No distance of this sensor is known since it was mounted: enter one."})
    change(
        mounting,
        {
            "empty_mm": round(float(distance.text.split()[0])),
            "full_mm": mounting.full_mm if mounting.full_mm is not None else mounting.blind_mm or 0,
        },
    )


def invalid(error: ValidationError) -> InvalidFields:
    """Return the answer to what breaks a rule of the models, field by field."""
    named = error.message_dict if hasattr(error, "error_dict") else {"message": error.messages}
    return InvalidFields(
        _NOTHING, [("message" if name == "__all__" else name, " ".join(said)) for name, said in named.items()]
    )


def _key(key: str) -> str:
    """Return a key as messages give it. Raises NotFound for what can be none: PostgreSQL takes no NUL."""
    if "\x00" in key or len(key) > 128:
        raise NotFound(_UNKNOWN)
    return canonical_key(key)


def _known(key: str) -> list[Sensor]:
    found = list(Sensor.objects.filter(key=_key(key)).prefetch_related("mountings"))
    if not found:
        raise NotFound(_UNKNOWN)
    return found


def _mounting(key: str, pk: int) -> Mounting:
    found = None
    if pk < 2**63:
        found = Mounting.objects.select_related("sensor").filter(pk=pk, sensor__key=_key(key)).first()
    if found is None:
        raise NotFound("No such mounting of this sensor is known.")
    return found


def _log(request: Request, sensor: Sensor | None, action: int, said: str) -> None:
    """Note in the admin's log who changed what."""
    if request.user.pk is not None:
        LogEntry.objects.create(
            user_id=request.user.pk,
            object_id="" if sensor is None else str(sensor.pk),
            object_repr=str(sensor or "sensors")[:200],
            action_flag=action,
            change_message=said,
        )
