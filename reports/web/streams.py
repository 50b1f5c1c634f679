"""Thresholds of streams: from which level on their cans are full, where none is entered of the can itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from reports.entered_models import StreamLimits
from reports.insight.status import FULL_FROM, HYSTERESIS
from reports.web import queries, schemas
from reports.web.access import MayEditFacts
from reports.web.parsers import ChoiceParser
from reports.web.problems import InvalidFields
from reports.web.rendering import Page
from reports.web.view import REFUSALS, UNKNOWN, UNREAD, ApiView


@dataclass(frozen=True)
class StreamsPage(Page):
    """The streams of which limits are entered, and what holds for all others."""

    template: ClassVar[str] = "reports/streams.html"

    full_from: int = int(FULL_FROM)
    hysteresis: int = int(HYSTERESIS)


class StreamAnswer(serializers.Serializer[Any]):
    stream = serializers.CharField(help_text="Without case.")
    full_from = serializers.IntegerField(help_text="Percent from which on a can is full.")
    hysteresis = serializers.IntegerField(help_text="Points below that from which it is no longer full.")


class StreamsAnswer(serializers.Serializer[Any]):
    results = StreamAnswer(many=True)


class LimitsChange(schemas.Strict):
    """The limits of one stream."""

    full_from = serializers.IntegerField(min_value=1, max_value=100, help_text="Percent from which on a can is full.")
    hysteresis = serializers.IntegerField(
        min_value=0, max_value=50, default=int(HYSTERESIS),
        help_text="Points below that from which it is no longer full.",
    )  # fmt: skip


class StreamsView(ApiView):
    """The thresholds of all streams of which any are entered."""

    @extend_schema(operation_id="streams", responses={200: StreamsAnswer, **REFUSALS}, tags=["cans"])
    def get(self, request: Request) -> Response:
        """The thresholds that are entered of streams, by name; for all others 80 and 5 hold."""
        queries.known(request.query_params, set())
        answer = {"results": [_shown(each) for each in StreamLimits.objects.all()]}
        return Response(StreamsPage(answer) if self.is_page else answer)


class StreamView(ApiView):
    """The thresholds of one stream."""

    permission_classes = (MayEditFacts,)
    parser_classes = (ChoiceParser,)
    samples: Mapping[str, str] = MappingProxyType({"PUT": '{"full_from": 70, "hysteresis": 5}'})

    @extend_schema(operation_id="stream", responses={200: StreamAnswer, **REFUSALS}, tags=["cans"])
    def get(self, request: Request, stream: str) -> Response:
        """The thresholds of one stream: where none are entered, those of all others."""
        return Response(_shown(_known(stream) or StreamLimits(stream=stream.strip().casefold())))

    @extend_schema(
        operation_id="put_stream",
        request=LimitsChange,
        responses={200: StreamAnswer, **UNREAD, **REFUSALS},
        tags=["cans"],
    )
    def put(self, request: Request, stream: str) -> Response:
        """
        Enter the thresholds of one stream, for its cans without their own.

        Cans whose stream is entered follow within seconds, others with their next report.
        """
        change = LimitsChange(data=request.data)
        if not change.is_valid():
            raise InvalidFields.of("Nothing was changed.", change.errors)
        try:
            limits = StreamLimits.enter(stream, **change.validated_data)
        except ValidationError as error:
            raise InvalidFields.of("Nothing was changed.", error.message_dict) from None
        return Response(_shown(limits))

    @extend_schema(operation_id="delete_stream", responses={204: None, **UNKNOWN, **REFUSALS}, tags=["cans"])
    def delete(self, request: Request, stream: str) -> Response:
        """Forget the thresholds of one stream: those of all others hold then."""
        known = _known(stream)
        if known is None:
            raise NotFound("No thresholds of this stream are entered.")
        known.delete()
        return Response(status=204)


def _known(stream: str) -> StreamLimits | None:
    name = stream.strip().casefold()
    return None if "\x00" in name else StreamLimits.objects.filter(pk=name).first()


def _shown(limits: StreamLimits) -> dict[str, Any]:
    return {"stream": limits.stream, "full_from": limits.full_from, "hysteresis": limits.hysteresis}
