"""What the API answers of cans' facts and their changes, described for the OpenAPI schema."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from reports.kept_changes import EMPTYING, FACTS


class CanFacts(serializers.Serializer[Any]):
    can_id = serializers.CharField()
    name = serializers.CharField(allow_blank=True)
    address = serializers.CharField(allow_blank=True)
    stream = serializers.CharField(allow_blank=True)
    latitude = serializers.FloatField(allow_null=True)
    longitude = serializers.FloatField(allow_null=True)
    retired = serializers.BooleanField()
    retired_at = serializers.DateTimeField(allow_null=True, help_text="Out of service from then on.")
    full_from = serializers.IntegerField(allow_null=True, help_text="Percent; null: as its stream.")
    hysteresis = serializers.IntegerField(allow_null=True, help_text="Points; null: as its stream.")
    links = serializers.DictField(child=serializers.URLField())


class CansAnswer(serializers.Serializer[Any]):
    page_size = serializers.IntegerField()
    results = CanFacts(many=True)
    next = serializers.URLField(allow_null=True, help_text="The next page, null at the end.")


class ChangedFact(serializers.Serializer[Any]):
    name = serializers.ChoiceField([*FACTS, EMPTYING])
    before = serializers.CharField(allow_blank=True, help_text="Empty: nothing was known.")
    after = serializers.CharField(allow_blank=True)


class ChangeAnswer(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    kind = serializers.ChoiceField(["added", "changed", "deleted"])
    by = serializers.CharField(allow_null=True, help_text="Name of the user; null for whoever has not signed in.")
    via = serializers.ChoiceField(["form", "API", "CSV", "admin"])
    facts = ChangedFact(many=True)


class ChangesAnswer(serializers.Serializer[Any]):
    can_id = serializers.CharField()
    results = ChangeAnswer(many=True)
    links = serializers.DictField(child=serializers.URLField())


class Imported(serializers.Serializer[Any]):
    new = serializers.IntegerField(help_text="Cans of which nothing was known.")
    changed = serializers.IntegerField()
    same = serializers.IntegerField(help_text="Lines that say what was known.")
