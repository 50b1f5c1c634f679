"""What `/over-time` answers, described for the OpenAPI schema."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from reports.insight.replay import STATUSES


class PointAnswer(serializers.Serializer[Any]):
    at = serializers.DateTimeField(help_text="Begin of the hour, or of the day in UTC.")
    expected = serializers.IntegerField(help_text="Hours that it has, up to now.")
    hours = serializers.IntegerField(help_text="Of these, those at whose end the cans were counted.")
    cans = serializers.FloatField(allow_null=True, help_text="Mean over these hours; null: nobody counted.")
    full = serializers.FloatField(allow_null=True)
    full_percent = serializers.FloatField(allow_null=True)
    silent = serializers.FloatField(allow_null=True)
    silent_percent = serializers.FloatField(allow_null=True)
    full_percent_by_stream = serializers.DictField(
        child=serializers.FloatField(), help_text="Percent of the cans of a stream that are full; the commonest six."
    )
    reports = serializers.IntegerField(
        allow_null=True, help_text="Stored, without those older than their can's newest; null: no worker told it."
    )
    emptied = serializers.IntegerField(allow_null=True, help_text="Emptyings that a report confirmed then.")
    overflow_h = serializers.IntegerField(
        allow_null=True, help_text="Hours for which cans were full, added up: each can at the end of each hour."
    )
    exact = serializers.BooleanField(help_text="False: more than 10,000 cans were counted by index.")
    from_history = serializers.BooleanField(help_text="True: hours were made later from the stored reports.")


class OverTimeAnswer(serializers.Serializer[Any]):
    range = serializers.ChoiceField(["24h", "7d", "30d", "1y"])
    step_s = serializers.IntegerField(help_text="Seconds that a point stands for: an hour or a day.")
    missing_hours = serializers.IntegerField(help_text="Hours of the range at whose end nobody counted the cans.")
    points = PointAnswer(many=True)


class FrameAnswer(serializers.Serializer[Any]):
    at = serializers.DateTimeField(help_text="The end of an hour.")
    read_at = serializers.DateTimeField(allow_null=True, help_text="When the first can was read; null: nobody counted.")
    cell = serializers.FloatField(
        allow_null=True, help_text="Height of a cell in degrees; 0: cans; null: nobody counted."
    )
    digits = serializers.CharField(
        allow_blank=True, help_text="For each of `cans` the place of its status in `statuses`, - where it has none."
    )
    cells = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField()),
        help_text="Latitude, longitude, cans, and how many of them are full.",
    )


class ReplayAnswer(serializers.Serializer[Any]):
    statuses = serializers.ListField(child=serializers.ChoiceField(STATUSES))
    cans = serializers.ListField(
        child=serializers.ListField(child=serializers.JSONField()), help_text="Latitude, longitude, id."
    )
    frames = FrameAnswer(many=True)
