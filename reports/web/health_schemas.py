"""What the health pages answer, described for the OpenAPI schema."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers


class Live(serializers.Serializer[Any]):
    status = serializers.CharField()


class Pulse(serializers.Serializer[Any]):
    status = serializers.ChoiceField(["well", "stuck", "unknown"])


SERVICE_ANSWERS = ["ok", "no answer"]


class Checks(serializers.Serializer[Any]):
    sqs = serializers.ChoiceField(SERVICE_ANSWERS)
    dynamodb = serializers.ChoiceField(SERVICE_ANSWERS)


class Ready(serializers.Serializer[Any]):
    status = serializers.ChoiceField(["ready", "not ready"])
    checks = Checks()
