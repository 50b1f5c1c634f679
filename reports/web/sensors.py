"""Sensors: those that are registered, and those that wait to be mounted, as API and as one page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

from django.contrib.admin.models import CHANGE, DELETION
from django.db import transaction
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from reports.csv_rows import WrongLines
from reports.mountings_csv import import_mountings
from reports.sensor_models import Sensor
from reports.web import cursors, queries, sensor_schemas
from reports.web.access import MayEditSensors
from reports.web.admin_log import log_action
from reports.web.known_sensor import known_sensors, sensor_key
from reports.web.parsers import CSVParser, csv_text
from reports.web.problems import InvalidFields
from reports.web.rendering import Page
from reports.web.sensor_values import ShownWaiting, shown, shown_waiting
from reports.web.view import REFUSALS, UNKNOWN, UNREAD, ApiView, page_address, page_parameters

#: Sensors among which one page with a filter is looked for.
MOST_LOOKED_AT = 500


@dataclass(frozen=True)
class SensorsPage(Page):
    """The registered sensors, and those that wait."""

    template: ClassVar[str] = "reports/sensors.html"

    waiting: Sequence[ShownWaiting]


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
        blind_mm, is_blind_full and holds_tilted (yes or no). An empty `since` is now. What a sensor measured from then
        on, and sent in the last 14 days, is stored.
        """
        try:
            with transaction.atomic():
                counts = import_mountings(csv_text(request), timezone.now())
                log_action(request.user, None, CHANGE, f"mounted by CSV: {counts['new']} new")
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
        """
        Sensors that wait to be mounted, those first that sent last.

        Mount one, and what it measured from the begin of its mounting on is stored.
        """
        return Response({"results": shown_waiting(timezone.now())})


class SensorView(ApiView):
    """One registered sensor with all its channels."""

    permission_classes = (MayEditSensors,)

    @extend_schema(
        operation_id="sensor", responses={200: sensor_schemas.SensorAnswer, **UNKNOWN, **REFUSALS}, tags=["sensors"]
    )
    def get(self, request: Request, key: str) -> Response:
        """The channels of one sensor, where each is mounted, and what it told last."""
        return Response({"key": sensor_key(key), "channels": shown(known_sensors(key))})

    @extend_schema(operation_id="delete_sensor", responses={204: None, **UNKNOWN, **REFUSALS}, tags=["sensors"])
    def delete(self, request: Request, key: str) -> Response:
        """Forget a sensor and its mountings; the reports that it made stay."""
        with transaction.atomic():
            for sensor in known_sensors(key):
                log_action(request.user, sensor, DELETION, "by API")
                sensor.delete()
        return Response(status=204)
