"""What the API answers and takes of alerts and their rules, described for the OpenAPI schema."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from reports.alert_rules import AlertRule
from reports.insight.status import Status
from reports.web import schemas
from reports.web.unusable_channels import warning_of


class ResultAnswer(serializers.Serializer[Any]):
    rule = serializers.CharField()
    channel = serializers.CharField()
    state = serializers.CharField(
        help_text="delivered; skipped: not to be told; waiting: tried again; failed: set aside."
    )
    at = serializers.DateTimeField()
    reason = serializers.CharField(allow_null=True)
    tries = serializers.IntegerField()


class AlertLinks(serializers.Serializer[Any]):
    can = serializers.URLField()


class AlertAnswer(serializers.Serializer[Any]):
    id = serializers.CharField(help_text="The same in each message that tells of it.")
    key = serializers.CharField(help_text="By which it is acknowledged.")
    can_id = serializers.CharField()
    before = serializers.ChoiceField([*Status])
    status = serializers.ChoiceField([*Status])
    since = serializers.DateTimeField(help_text="Since when it is so.")
    level = serializers.CharField(allow_null=True)
    stream = serializers.CharField(allow_null=True)
    reason = serializers.CharField(allow_null=True)
    acknowledged_at = serializers.DateTimeField(allow_null=True)
    acknowledged_by = serializers.CharField(allow_null=True, help_text="Null for whoever has not shown who they are.")
    results = ResultAnswer(many=True, allow_null=True, help_text="By rule, for operators; else null.")
    links = AlertLinks()


class AlertsAnswer(serializers.Serializer[Any]):
    page_size = serializers.IntegerField()
    results = AlertAnswer(many=True)
    next = serializers.URLField(allow_null=True)


class Acknowledge(schemas.Strict):
    acknowledge = serializers.ListField(
        child=serializers.CharField(max_length=80), min_length=1, max_length=50, help_text="Keys of alerts."
    )


class Acknowledged(serializers.Serializer[Any]):
    acknowledged = serializers.ListField(child=serializers.CharField())
    unknown = serializers.ListField(child=serializers.CharField())


class RuleChange(serializers.ModelSerializer[AlertRule]):
    """A rule of alerts as it is sent. What is left out is as in a new rule."""

    class Meta:
        model = AlertRule
        fields: tuple[str, ...] = (
            "name", "is_on", "statuses", "stream", "can_id", "channel", "address", "quiet_from", "quiet_until",
            "hold_minutes", "pause_minutes", "most_an_hour",
        )  # fmt: skip

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if unknown := [name for name in self.initial_data if name not in self.fields]:
            rule = f"Not known. Known: {', '.join(self.fields)}."
            raise serializers.ValidationError(dict.fromkeys(unknown, rule))
        return attrs


class RuleAnswer(RuleChange):
    """A rule of alerts; its secret is told once, to whoever made it. Its context has the channels `unusable`."""

    warning = serializers.SerializerMethodField(help_text="Why nobody is told by its channel; null: nothing is amiss.")

    class Meta(RuleChange.Meta):
        fields = ("id", *RuleChange.Meta.fields, "warning")
        read_only_fields = fields

    def get_warning(self, rule: AlertRule) -> str | None:
        return warning_of(rule.channel, self.context["unusable"])


class NewRuleAnswer(RuleAnswer):
    """A rule that was just made. secret: of a webhook, "" for other channels; no other answer has it."""

    class Meta(RuleAnswer.Meta):
        fields = (*RuleAnswer.Meta.fields, "secret")
        read_only_fields = fields


class RulesAnswer(serializers.Serializer[Any]):
    results = RuleAnswer(many=True)


class SecretAnswer(serializers.Serializer[Any]):
    secret = serializers.CharField(help_text="whsec_ and base64. No other answer has it.")
