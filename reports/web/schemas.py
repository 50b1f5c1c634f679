"""What the API answers and takes, described for the OpenAPI schema; tests hold each against a real answer."""

from __future__ import annotations

from typing import Any, get_args

from rest_framework import serializers

from reports.insight.cycles import Stage
from reports.insight.forecast import Reliability
from reports.insight.status import REPORTED, Status
from reports.report import CAN_ID_RULE
from reports.store import Order

_STATUS = (
    "FIRE, TILT: its sensor's last measurement told so. FULL: at its threshold, until 5 points below. SILENT: no "
    "report for longer than its own rhythm allows. SUSPECT: its level is not to be trusted. FILLING: from three "
    "quarters of its threshold on. NEW: fewer than 10 reports. NEVER_REPORTED: none. Else OK."
)
_LEVEL = "Percent full, 0-100, with the digits that the device sent."
_FACTS = "Details that an operator entered; null: none."


class Strict(serializers.Serializer[Any]):
    """What is sent, of which a member that is not known is an error: a mistyped one would be ignored in silence."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if unknown := [name for name in self.initial_data if name not in self.fields]:
            rule = f"Not known. Known: {', '.join(self.fields)}."
            raise serializers.ValidationError(dict.fromkeys(unknown, rule))
        return attrs


class CanLinks(serializers.Serializer[Any]):
    self = serializers.URLField()
    history = serializers.URLField()
    emptyings = serializers.URLField()


class ReportAnswer(serializers.Serializer[Any]):
    level = serializers.CharField(help_text=_LEVEL)
    measured_at = serializers.DateTimeField(
        allow_null=True, help_text="Null where another service wrote the row without a time."
    )
    received_at = serializers.DateTimeField(allow_null=True)
    attributes = serializers.DictField(help_text="All other members that the device sent, unchanged.")


class EmptiedAnswer(serializers.Serializer[Any]):
    at = serializers.DateTimeField(help_text="The first report after it.")
    before = serializers.FloatField(help_text="Percent, in tenths.")
    after = serializers.FloatField(help_text="Percent, in tenths.")
    stage = serializers.ChoiceField([*Stage])
    known_at = serializers.DateTimeField(help_text="The report that showed, confirmed or took it back.")
    by_operator = serializers.BooleanField(
        help_text="True: an operator added it (CONFIRMED), struck it, or took back what was added (TAKEN_BACK)."
    )


class ForecastAnswer(serializers.Serializer[Any]):
    threshold = serializers.FloatField(help_text="Percent.")
    full_at = serializers.DateTimeField(
        allow_null=True,
        help_text="When it reaches the threshold if nobody empties it before, as told at the newest report; it may be "
        "past.",
    )
    low = serializers.DateTimeField(allow_null=True, help_text="Begin of the interval that holds four of five.")
    high = serializers.DateTimeField(allow_null=True)
    reliability = serializers.ChoiceField([*Reliability], allow_null=True)
    reason = serializers.CharField(allow_null=True, help_text="Why there is no forecast.")


class RowAnswer(ReportAnswer):
    can_id = serializers.CharField()
    level = serializers.CharField(allow_null=True, help_text=f"{_LEVEL} Null: no report of it is stored.")
    measured_at = serializers.DateTimeField(
        allow_null=True, help_text="Null where no report is stored, or another service wrote the row without a time."
    )
    links = CanLinks()
    status = serializers.ChoiceField([*Status], help_text=_STATUS)
    reason = serializers.CharField(help_text="Why it has this status: sentences with figures.")
    suspect = serializers.BooleanField(
        help_text="Its level is not to be trusted: it is SUSPECT or TILT, or FULL and also stuck or jumping."
    )


class FactsAnswer(serializers.Serializer[Any]):
    name = serializers.CharField(allow_blank=True)
    address = serializers.CharField(allow_blank=True)
    stream = serializers.CharField(allow_blank=True, help_text="Used instead of the stream that the device sent.")
    latitude = serializers.CharField(allow_null=True, help_text="Degrees, WGS 84.")
    longitude = serializers.CharField(allow_null=True, help_text="Degrees, WGS 84.")


class Unavailable(serializers.ListField):
    """What an answer leaves out, since the database that keeps it does not answer."""

    def __init__(self) -> None:
        super().__init__(
            child=serializers.ChoiceField(["facts", "entered"]),
            required=False,
            help_text="Names what is left out, since the database of details does not answer.",
        )


class CanAnswer(RowAnswer):
    silent_at = serializers.DateTimeField(
        allow_null=True, help_text="It is silent after this instant if it reports no more."
    )
    emptied = EmptiedAnswer(allow_null=True, help_text="The last emptying that its levels show; null: none was seen.")
    forecast = ForecastAnswer()
    facts = FactsAnswer(allow_null=True, required=False, help_text=_FACTS)
    unavailable = Unavailable()


class FleetRowAnswer(RowAnswer):
    facts = FactsAnswer(allow_null=True, help_text=_FACTS)


class FleetAnswer(serializers.Serializer[Any]):
    order = serializers.ChoiceField([*get_args(Order)])
    stopped = serializers.BooleanField(
        help_text="True: the search stopped before the page was full; next continues it."
    )
    cut = serializers.BooleanField(
        help_text="True: more names and addresses hold q than are searched at once; some of these cans are not listed."
    )
    page_size = serializers.IntegerField()
    results = FleetRowAnswer(many=True)
    next = serializers.URLField(allow_null=True, help_text="The next page, null at the end.")
    previous = serializers.URLField(allow_null=True, help_text="The page before, null at the beginning.")
    links = serializers.DictField(child=serializers.URLField())


EMPTYING_ACTIONS = ["add", "strike"]


class CorrectionAnswer(serializers.Serializer[Any]):
    at = serializers.DateTimeField(help_text="When an added one was; of a struck one the first report after it.")
    action = serializers.ChoiceField(EMPTYING_ACTIONS)
    note = serializers.CharField()
    by = serializers.CharField(allow_null=True, help_text="Name of the user; null for whoever has not signed in.")
    entered_at = serializers.DateTimeField()


class EmptyingsAnswer(serializers.Serializer[Any]):
    can_id = serializers.CharField()
    page_size = serializers.IntegerField()
    results = EmptiedAnswer(many=True)
    entered = CorrectionAnswer(
        many=True, required=False, help_text="What operators added and struck, the latest first."
    )
    unavailable = Unavailable()
    next = serializers.URLField(allow_null=True)
    links = serializers.DictField(child=serializers.URLField())


class HistoryAnswer(serializers.Serializer[Any]):
    can_id = serializers.CharField()
    order = serializers.ChoiceField(["newest", "oldest"])
    page_size = serializers.IntegerField()
    results = ReportAnswer(many=True)
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True, help_text="Always null: use the other order.")
    links = serializers.DictField(child=serializers.URLField())


class ChartAnswer(serializers.Serializer[Any]):
    can_id = serializers.CharField()
    range = serializers.ChoiceField(["24h", "7d", "30d", "all"])
    since = serializers.DateTimeField(allow_null=True, help_text="Begin of the range; null: the first report.")
    until = serializers.DateTimeField(help_text="End of the range: the time of the answer.")
    points = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField()),
        help_text="Pairs of epoch seconds and percent, oldest first, at most 1,000 pairs.",
    )
    low = serializers.ListField(
        child=serializers.FloatField(),
        help_text="For each point, of its hour or day; empty where each point is a report.",
    )
    high = serializers.ListField(
        child=serializers.FloatField(),
        help_text="For each point, of its hour or day; empty where each point is a report.",
    )
    reports = serializers.IntegerField(help_text="Number of reports from which the points are made.")
    thinned = serializers.BooleanField()
    complete = serializers.BooleanField(help_text="False: the oldest reports of the range are left out.")


class ReportSent(serializers.Serializer[Any]):
    can_id = serializers.CharField(max_length=128, help_text=f"It {CAN_ID_RULE}.")
    level = serializers.CharField(max_length=32, help_text="Percent full, 0-100: a string or a number.")
    measured_at = serializers.DateTimeField(
        required=False, allow_null=True, help_text="ISO 8601 with a zone, or epoch seconds."
    )


class AcceptedCan(serializers.Serializer[Any]):
    can_id = serializers.CharField()
    links = CanLinks()


class Accepted(serializers.Serializer[Any]):
    accepted = serializers.IntegerField(help_text="Number of reports sent to the queue.")
    message_ids = serializers.ListField(child=serializers.CharField())
    results = AcceptedCan(many=True)


class UplinkAccepted(serializers.Serializer[Any]):
    accepted = serializers.IntegerField(help_text="Number of messages sent to the queue: 1.")
    message_ids = serializers.ListField(child=serializers.CharField())


class Wrong(serializers.Serializer[Any]):
    index = serializers.IntegerField(
        required=False, allow_null=True, help_text="Position of the report in the array, from 0."
    )
    field = serializers.CharField()
    rule = serializers.CharField()


class ViewAnswer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    query = serializers.CharField(allow_blank=True)
    shared = serializers.BooleanField()
    links = serializers.DictField(child=serializers.URLField())


class ViewsAnswer(serializers.Serializer[Any]):
    results = ViewAnswer(many=True)


class ProblemAnswer(serializers.Serializer[Any]):
    """RFC 9457 problem details."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    errors = Wrong(many=True, required=False)  # type: ignore[assignment]


class PlaceAnswer(serializers.Serializer[Any]):
    can_id = serializers.CharField(allow_blank=True, help_text="Empty: the place stands for several cans.")
    lat = serializers.FloatField()
    lon = serializers.FloatField()
    level = serializers.IntegerField()
    status = serializers.ChoiceField(REPORTED)
    count = serializers.IntegerField()
    full = serializers.IntegerField(help_text="Number of full cans among them.")


class UrgentAnswer(serializers.Serializer[Any]):
    can_id = serializers.CharField()
    level = serializers.CharField()
    status = serializers.ChoiceField(REPORTED)
    stream = serializers.CharField(allow_blank=True)
    measured_at = serializers.DateTimeField(allow_null=True)
    since = serializers.DateTimeField(
        allow_null=True,
        help_text="The report that first said so; of a silent can its last. Null: not known.",
    )
    or_earlier = serializers.BooleanField(help_text="True: nothing is known of the time before `since`.")
    facts = FactsAnswer(allow_null=True, required=False, help_text=_FACTS)
    unavailable = Unavailable()


class WalkedAnswer(serializers.Serializer[Any]):
    cans = serializers.IntegerField(help_text="How many cans were read for by_stream, tenths and places.")
    since = serializers.DateTimeField(allow_null=True, help_text="When the first of them was read.")
    until = serializers.DateTimeField(allow_null=True)
    complete = serializers.BooleanField(help_text="Whether these are all; else the rest follows.")


class OverviewAnswer(serializers.Serializer[Any]):
    taken_at = serializers.DateTimeField(allow_null=True)
    total = serializers.IntegerField(required=False)
    by_status = serializers.DictField(child=serializers.IntegerField(), required=False)
    suspect = serializers.IntegerField(
        required=False, help_text="Cans whose level is not to be trusted: SUSPECT, TILT, and some that are FULL."
    )
    by_stream = serializers.DictField(child=serializers.IntegerField(), required=False)
    full_by_stream = serializers.DictField(
        child=serializers.IntegerField(), required=False, help_text="Of the cans of a stream those that are full."
    )
    tenths = serializers.ListField(child=serializers.IntegerField(), required=False)
    urgent = UrgentAnswer(many=True, required=False)
    places = PlaceAnswer(many=True, required=False)
    located = serializers.IntegerField(required=False)
    cell = serializers.FloatField(
        required=False, help_text="Height of a map cell in degrees; 0: each place is one can."
    )
    exact = serializers.BooleanField(
        required=False, help_text="Of more than 10,000 cans, total and by_status are counted by index, and approximate."
    )
    walked = WalkedAnswer(required=False)
