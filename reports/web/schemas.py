"""What the API answers and takes, described for the OpenAPI schema; tests hold each against a real answer."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from reports.insight.status import Status


class CanLinks(serializers.Serializer[Any]):
    self = serializers.URLField()
    history = serializers.URLField()


class ReportAnswer(serializers.Serializer[Any]):
    level = serializers.CharField(help_text="Percent full, 0-100, the digits as the device sent them.")
    measured_at = serializers.DateTimeField(allow_null=True, help_text="Null where another service wrote it.")
    received_at = serializers.DateTimeField(allow_null=True)
    attributes = serializers.DictField(help_text="Whatever else the device sent, as it came.")


class CanAnswer(ReportAnswer):
    can_id = serializers.CharField()
    links = CanLinks()
    status = serializers.ChoiceField([*Status], help_text="FULL from 80 %, SILENT after 24 hours, else OK.")


class FactsAnswer(serializers.Serializer[Any]):
    name = serializers.CharField(allow_blank=True)
    address = serializers.CharField(allow_blank=True)
    stream = serializers.CharField(allow_blank=True, help_text="Goes before the one that the device sent.")


class FleetRowAnswer(CanAnswer):
    facts = FactsAnswer(allow_null=True, help_text="What the fleet's owner knows of it; null: nothing.")


class FleetAnswer(serializers.Serializer[Any]):
    order = serializers.ChoiceField(["fullest", "emptiest", "silent", "id"])
    stopped = serializers.BooleanField(help_text="The page is short since enough rows were looked at: go on by next.")
    page_size = serializers.IntegerField()
    results = FleetRowAnswer(many=True)
    next = serializers.URLField(allow_null=True, help_text="The next page, null at the end.")
    previous = serializers.URLField(allow_null=True, help_text="The page before, null at the beginning.")
    links = serializers.DictField(child=serializers.URLField())


class HistoryAnswer(serializers.Serializer[Any]):
    can_id = serializers.CharField()
    order = serializers.ChoiceField(["newest", "oldest"])
    page_size = serializers.IntegerField()
    results = ReportAnswer(many=True)
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True, help_text="Always null: ask with the other order.")
    links = serializers.DictField(child=serializers.URLField())


class ChartAnswer(serializers.Serializer[Any]):
    can_id = serializers.CharField()
    range = serializers.ChoiceField(["24h", "7d", "30d", "all"])
    since = serializers.DateTimeField(allow_null=True, help_text="Where the range begins; null: at the first report.")
    until = serializers.DateTimeField(help_text="Where the range ends: now.")
    points = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField()),
        help_text="Pairs of epoch seconds and percent, oldest first, at most 1,000.",
    )
    low = serializers.ListField(child=serializers.FloatField(), help_text="Per point, of its hour or day.")
    high = serializers.ListField(child=serializers.FloatField(), help_text="Per point, of its hour or day.")
    reports = serializers.IntegerField(help_text="How many reports lie behind the points.")
    thinned = serializers.BooleanField()
    complete = serializers.BooleanField(help_text="False where the oldest of this range were left out.")


class ReportSent(serializers.Serializer[Any]):
    can_id = serializers.CharField(max_length=128, help_text="1-128 characters, no `/`.")
    level = serializers.CharField(max_length=32, help_text="Percent full, 0-100: a string or a number.")
    measured_at = serializers.DateTimeField(required=False, allow_null=True, help_text="With zone, or an epoch.")


class AcceptedCan(serializers.Serializer[Any]):
    can_id = serializers.CharField()
    links = CanLinks()


class Accepted(serializers.Serializer[Any]):
    accepted = serializers.IntegerField(help_text="How many reports were sent to the queue.")
    message_ids = serializers.ListField(child=serializers.CharField())
    results = AcceptedCan(many=True)


class Wrong(serializers.Serializer[Any]):
    index = serializers.IntegerField(required=False, allow_null=True, help_text="Which report of an array.")
    field = serializers.CharField()
    rule = serializers.CharField()


class ProblemAnswer(serializers.Serializer[Any]):
    """RFC 9457 problem details."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    errors = Wrong(many=True, required=False)  # type: ignore[assignment]


class QueueAnswer(serializers.Serializer[Any]):
    waiting = serializers.IntegerField()
    in_flight = serializers.IntegerField()
    dead = serializers.IntegerField()


class WorkerAnswer(serializers.Serializer[Any]):
    name = serializers.CharField()
    seen_at = serializers.DateTimeField()
    is_silent = serializers.BooleanField(help_text="Not heard of for 30 seconds.")
    problem = serializers.CharField(allow_blank=True)
    counters = serializers.DictField(child=serializers.IntegerField())


class TroubleAnswer(serializers.Serializer[Any]):
    weight = serializers.ChoiceField(["bad", "warning"])
    text = serializers.CharField()
    remedy = serializers.CharField()


class PipelineAnswer(serializers.Serializer[Any]):
    queue = QueueAnswer(allow_null=True, help_text="Null where SQS does not answer.")
    lag_ms = serializers.IntegerField(allow_null=True)
    stored_per_minute = serializers.IntegerField(allow_null=True)
    last_stored_at = serializers.DateTimeField(allow_null=True)
    workers = WorkerAnswer(many=True, allow_null=True, help_text="Null where DynamoDB does not answer.")
    troubles = TroubleAnswer(many=True)


class LetterAnswer(serializers.Serializer[Any]):
    message_id = serializers.CharField()
    reason = serializers.CharField(allow_null=True)
    field = serializers.CharField(allow_null=True)
    error = serializers.CharField(allow_null=True)
    body = serializers.CharField(help_text="The exact text, cut where is_cut says so.")
    is_cut = serializers.BooleanField()
    sent_at = serializers.DateTimeField()
    receive_count = serializers.IntegerField()
    moved_by_sqs = serializers.BooleanField(help_text="Received too often; nobody knows why.")
    first_message_id = serializers.CharField()
    index = serializers.IntegerField(allow_null=True)
    letter = serializers.CharField(allow_null=True, help_text="Names it in POST; null: use the commands.")


class DeadLettersAnswer(serializers.Serializer[Any]):
    letters = LetterAnswer(many=True)
    hidden_s = serializers.IntegerField(help_text="For so long nobody else sees them.")


class Settle(serializers.Serializer[Any]):
    action = serializers.ChoiceField(["redrive", "discard"])
    letters = serializers.ListField(child=serializers.CharField(), min_length=1, max_length=10)


class Settled(serializers.Serializer[Any]):
    action = serializers.ChoiceField(["redrive", "discard"])
    done = serializers.ListField(child=serializers.CharField(), help_text="Message ids.")
    again = serializers.ListField(child=serializers.CharField(), help_text="Still there: list again.")
    noted = serializers.BooleanField(help_text="False where the database that keeps the admin's log did not answer.")


class PlaceAnswer(serializers.Serializer[Any]):
    can_id = serializers.CharField(allow_blank=True, help_text="Empty where it stands for several cans.")
    lat = serializers.FloatField()
    lon = serializers.FloatField()
    level = serializers.IntegerField()
    status = serializers.ChoiceField([*Status])
    count = serializers.IntegerField()
    full = serializers.IntegerField(help_text="How many of them are full.")


class UrgentAnswer(serializers.Serializer[Any]):
    can_id = serializers.CharField()
    level = serializers.CharField()
    status = serializers.ChoiceField([*Status])
    stream = serializers.CharField(allow_blank=True)
    measured_at = serializers.DateTimeField(allow_null=True)


class OverviewAnswer(serializers.Serializer[Any]):
    taken_at = serializers.DateTimeField(allow_null=True)
    total = serializers.IntegerField(required=False)
    by_status = serializers.DictField(child=serializers.IntegerField(), required=False)
    by_stream = serializers.DictField(child=serializers.IntegerField(), required=False)
    tenths = serializers.ListField(child=serializers.IntegerField(), required=False)
    urgent = UrgentAnswer(many=True, required=False)
    places = PlaceAnswer(many=True, required=False)
    located = serializers.IntegerField(required=False)
    cell = serializers.FloatField(
        required=False, help_text="Height in degrees of the cells for whose cans a place stands; 0: it is one can."
    )


class Live(serializers.Serializer[Any]):
    status = serializers.CharField()


class Pulse(serializers.Serializer[Any]):
    status = serializers.ChoiceField(["well", "stuck"])
    problems = serializers.ListField(child=serializers.CharField())


class WorkerSeen(serializers.Serializer[Any]):
    name = serializers.CharField()
    seen_at = serializers.DateTimeField()
    counters = serializers.DictField(child=serializers.IntegerField())


class Ready(serializers.Serializer[Any]):
    status = serializers.ChoiceField(["ready", "not ready"])
    checks = serializers.DictField(child=serializers.CharField(), help_text="`ok`, or what is wrong.")
    workers = WorkerSeen(many=True, allow_null=True, help_text="Null where DynamoDB does not answer.")
