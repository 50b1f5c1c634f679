"""What the API answers of sensors and mountings, described for the OpenAPI schema."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers


class FactAnswer(serializers.Serializer[Any]):
    value = serializers.CharField(help_text="With its unit.")
    at = serializers.DateTimeField(help_text="When it was true.")


class EventAnswer(serializers.Serializer[Any]):
    at = serializers.DateTimeField(help_text="When the sensor told it last.")
    active = serializers.BooleanField(help_text="Whether its last measurement tells it.")


class SensorState(serializers.Serializer[Any]):
    heard_at = serializers.DateTimeField(help_text="When its last frame came.")
    server = serializers.CharField(allow_blank=True)
    model = serializers.CharField(allow_blank=True)
    frame = serializers.IntegerField(allow_null=True, help_text="Counter of its last frame.")
    rssi_dbm = serializers.FloatField(allow_null=True)
    verdict = serializers.ChoiceField(["store", "hold", "ignore"], allow_null=True)
    reason = serializers.CharField(allow_blank=True, help_text="Why its last measurement gave no level.")
    battery_low = serializers.BooleanField(help_text="Whether it has to be changed soon.")
    battery_percent = serializers.FloatField(
        allow_null=True, help_text="What is left, as the sensor states it, or about by its model's curve of volts."
    )
    facts = serializers.DictField(child=FactAnswer(), help_text="battery, temperature, tilt, distance, level.")
    events = serializers.DictField(child=EventAnswer(), help_text="fire, tilt, lid_open …")


class MountingAnswer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    can_id = serializers.CharField()
    since = serializers.DateTimeField()
    until = serializers.DateTimeField(allow_null=True)
    empty_mm = serializers.IntegerField(allow_null=True)
    full_mm = serializers.IntegerField(allow_null=True)
    blind_mm = serializers.IntegerField(allow_null=True)
    is_blind_full = serializers.BooleanField()
    holds_tilted = serializers.BooleanField()
    calibration = serializers.IntegerField(help_text="Version of the calibration, as reports name it.")


class SensorChannelAnswer(serializers.Serializer[Any]):
    key = serializers.CharField()
    channel = serializers.CharField(allow_blank=True, help_text="Empty: all channels without an entry of their own.")
    model = serializers.CharField(allow_blank=True, help_text="Empty: as its messages tell.")
    mountings = MountingAnswer(many=True)
    state = SensorState(allow_null=True, help_text="Null: it sent nothing since it was registered.")


class SensorsAnswer(serializers.Serializer[Any]):
    page_size = serializers.IntegerField()
    results = SensorChannelAnswer(many=True)
    next = serializers.URLField(allow_null=True, help_text="The next page, null at the end.")


class SensorAnswer(serializers.Serializer[Any]):
    key = serializers.CharField()
    channels = SensorChannelAnswer(many=True)


class WaitingSensorAnswer(serializers.Serializer[Any]):
    key = serializers.CharField()
    first_at = serializers.DateTimeField()
    last_at = serializers.DateTimeField()
    messages = serializers.IntegerField(help_text="About how many of its messages are kept.")
    mounted = serializers.BooleanField(
        help_text="Whether it is in a can now: it measured this before, or its can is not calibrated."
    )
    state = SensorState(allow_null=True)


class WaitingSensorsAnswer(serializers.Serializer[Any]):
    results = WaitingSensorAnswer(many=True)


class MountingsImported(serializers.Serializer[Any]):
    new = serializers.IntegerField()
    same = serializers.IntegerField(help_text="Mountings that were known; their calibration may have changed.")
