"""What `/pipeline/` answers, described for the OpenAPI schema."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from reports.insight.health import SILENT_AFTER


class QueueAnswer(serializers.Serializer[Any]):
    waiting = serializers.IntegerField()
    in_flight = serializers.IntegerField()
    dead = serializers.IntegerField()


class WorkerAnswer(serializers.Serializer[Any]):
    name = serializers.CharField()
    seen_at = serializers.DateTimeField()
    is_silent = serializers.BooleanField(help_text=f"True: no heartbeat for more than {SILENT_AFTER.seconds} seconds.")
    problem = serializers.CharField(allow_blank=True)
    counters = serializers.DictField(child=serializers.IntegerField())


class TroubleAnswer(serializers.Serializer[Any]):
    weight = serializers.ChoiceField(["bad", "warning"])
    text = serializers.CharField()
    remedy = serializers.CharField()
    link = serializers.URLField(allow_null=True, help_text="The list of the dead letters that are meant.")


class TotalsAnswer(serializers.Serializer[Any]):
    received = serializers.IntegerField(help_text="The sum of those below but for older.")
    stored = serializers.IntegerField()
    older = serializers.IntegerField(help_text="Of those stored, those older than the newest of their can.")
    repeated = serializers.IntegerField()
    held = serializers.IntegerField()
    ignored = serializers.IntegerField()
    waiting = serializers.IntegerField(help_text="Readings of sensors that are mounted nowhere.")
    set_aside = serializers.IntegerField()
    again = serializers.IntegerField(help_text="Given back with their message, which is received again.")
    unaccounted = serializers.IntegerField(help_text="Received, and nothing else: 0, or a defect of this program.")


class HourAnswer(serializers.Serializer[Any]):
    begins_at = serializers.DateTimeField(help_text="The first of the sixty minutes; the last one has not ended.")
    received = serializers.ListField(child=serializers.IntegerField())
    stored = serializers.ListField(child=serializers.IntegerField())
    oldest_ms = serializers.ListField(
        child=serializers.IntegerField(allow_null=True),
        help_text="How old the oldest message of a minute was when it was stored.",
    )
    backlog = serializers.ListField(child=serializers.IntegerField(allow_null=True))
    dead = serializers.ListField(child=serializers.IntegerField(allow_null=True))
    totals = TotalsAnswer()


class PipelineAnswer(serializers.Serializer[Any]):
    queue = QueueAnswer(allow_null=True, help_text="Null: SQS does not answer.")
    dead_alerts = serializers.IntegerField(
        allow_null=True,
        help_text="About how many alerts were set aside: no rule's channel took them. Null: SQS does not answer.",
    )
    lag_ms = serializers.IntegerField(allow_null=True)
    stored_per_minute = serializers.IntegerField(allow_null=True)
    drain_s = serializers.IntegerField(
        allow_null=True,
        help_text="Seconds until the backlog is stored at the pace of the last minute, if no report arrives meanwhile.",
    )
    last_stored_at = serializers.DateTimeField(allow_null=True)
    workers = WorkerAnswer(many=True, allow_null=True, help_text="Null: DynamoDB does not answer.")
    troubles = TroubleAnswer(many=True)
    hour = HourAnswer(
        allow_null=True,
        help_text="The last hour by the minute, as the workers tell it. Null: DynamoDB does not answer.",
    )
