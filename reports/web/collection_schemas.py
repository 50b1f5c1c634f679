"""What a collection list and a replay of other rounds answer, described for the OpenAPI schema."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from reports.insight.collection import Why, WhyNot
from reports.insight.forecast import Reliability
from reports.insight.status import REPORTED, Status
from reports.web.schemas import CanLinks, FactsAnswer


class StartAnswer(serializers.Serializer[Any]):
    latitude = serializers.FloatField()
    longitude = serializers.FloatField()


class StopAnswer(serializers.Serializer[Any]):
    can_id = serializers.CharField()
    why = serializers.ChoiceField([*Why])
    reason = serializers.CharField(help_text="A sentence with figures.")
    status = serializers.ChoiceField(REPORTED)
    suspect = serializers.BooleanField(help_text="Its level is not to be trusted, also where it is FULL.")
    level = serializers.CharField(help_text="Percent full, with the digits that the device sent.")
    threshold = serializers.FloatField(help_text="Percent.")
    measured_at = serializers.DateTimeField(allow_null=True)
    full_since = serializers.DateTimeField(allow_null=True, help_text="Of a full can: the report that first said so.")
    full_at = serializers.DateTimeField(allow_null=True, help_text="The likeliest time at which it is full.")
    low = serializers.DateTimeField(allow_null=True, help_text="Begin of the interval that holds four of five.")
    high = serializers.DateTimeField(allow_null=True)
    reliability = serializers.ChoiceField([*Reliability], allow_null=True)
    chance = serializers.FloatField(
        allow_null=True,
        help_text="That it is full when the round comes, 0 to 1. On 15 containers in Prague it was off by 0.07 "
        "on average for paper, 0.05 for plastic and 0.25 for glass; for other streams it was never measured.",
    )
    overflow_h_avoided = serializers.FloatField(
        allow_null=True,
        help_text="Hours until the next round in which it would be full if it were not emptied, less those in which it "
        "is full again although it is, expected. Null: too little is known of how it fills.",
    )
    stop = serializers.IntegerField(allow_null=True, help_text="Place on the way, from 1; null: no place is known.")
    leg_km = serializers.FloatField(allow_null=True, help_text="From the stop before, as the crow flies.")
    latitude = serializers.FloatField(allow_null=True, help_text="From the details, else as the device sent it.")
    longitude = serializers.FloatField(allow_null=True)
    stream = serializers.CharField(allow_blank=True)
    facts = FactsAnswer(allow_null=True, help_text="Details that an operator entered; null: none.")
    links = CanLinks()


class LeftCanAnswer(serializers.Serializer[Any]):
    can_id = serializers.CharField()
    reason = serializers.CharField()
    status = serializers.ChoiceField([*Status])
    level = serializers.CharField(allow_null=True)
    chance = serializers.FloatField(allow_null=True)
    links = CanLinks()


class LeftAnswer(serializers.Serializer[Any]):
    why = serializers.ChoiceField(
        [*WhyNot],
        help_text="FIRE: no stop of a round. BEYOND: the list is as long as was asked for. POSSIBLE: full by then with "
        "a chance of 10 % or more. UNKNOWN: nothing tells when it is full. LATER: all others.",
    )
    count = serializers.IntegerField()
    cans = LeftCanAnswer(many=True, help_text="The first 20.")


class WayAnswer(serializers.Serializer[Any]):
    method = serializers.CharField()
    length_km = serializers.FloatField(allow_null=True, help_text="Sum of great-circle distances; no roads.")
    back_km = serializers.FloatField(allow_null=True, help_text="Of these, from the last stop back to the start.")
    start = StartAnswer(allow_null=True)
    unplaced = serializers.IntegerField(help_text="Cans on the list whose place is not known.")


class CollectionsAnswer(serializers.Serializer[Any]):
    made_at = serializers.DateTimeField()
    by = serializers.DateTimeField(help_text="When the round comes.")
    next = serializers.DateTimeField(help_text="When the next one comes.")
    counts = serializers.DictField(child=serializers.IntegerField(), help_text="Cans on the list, by `why`.")
    overflow_h_avoided = serializers.FloatField(
        allow_null=True, help_text="Sum of those that can be told; null: of none can it."
    )
    overflow_untold = serializers.IntegerField(help_text="Cans on the list of which it cannot be told.")
    way = WayAnswer()
    looked_at = serializers.IntegerField(help_text="Cans that were judged.")
    complete = serializers.BooleanField(help_text="False: there are more cans than were looked at.")
    complete_from = serializers.IntegerField(
        allow_null=True,
        help_text="Each can of the fleet with at least so many percent was looked at; null: the details were asked.",
    )
    results = StopAnswer(many=True)
    left = LeftAnswer(many=True)
    links = serializers.DictField(child=serializers.URLField())


class OutcomeAnswer(serializers.Serializer[Any]):
    collections = serializers.IntegerField()
    overflow_h = serializers.FloatField(help_text="Hours at the threshold or above.")


class TriedCanAnswer(serializers.Serializer[Any]):
    can_id = serializers.CharField()
    known_h = serializers.FloatField(help_text="Hours of which levels are known.")
    happened = OutcomeAnswer()
    instead = OutcomeAnswer()
    links = CanLinks()


class WhatIfAnswer(serializers.Serializer[Any]):
    threshold = serializers.FloatField(help_text="Percent from which on a round empties a can.")
    days = serializers.ListField(child=serializers.CharField())
    hour = serializers.IntegerField(help_text="In the site's time zone.")
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    rounds = serializers.IntegerField(help_text="In that time.")
    cans = serializers.IntegerField(help_text="Cans whose history was read, with two reports or more.")
    chosen_from = serializers.IntegerField(help_text="Cans in service that were looked at, and are of that part.")
    complete = serializers.BooleanField(help_text="False: there are more cans than were looked at.")
    known_h = serializers.FloatField(help_text="Hours of all cans of which levels are known.")
    shortened = serializers.IntegerField(help_text="Cans with more reports than are read: their newest are.")
    happened = OutcomeAnswer()
    instead = OutcomeAnswer()
    results = TriedCanAnswer(many=True)
    links = serializers.DictField(child=serializers.URLField())
