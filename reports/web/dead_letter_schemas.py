"""What `/pipeline/dead-letters/` answers and takes, described for the OpenAPI schema."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

LETTER_ACTIONS = ["redrive", "discard"]


class LetterAnswer(serializers.Serializer[Any]):
    message_id = serializers.CharField()
    reason = serializers.CharField(allow_null=True)
    field = serializers.CharField(allow_null=True)
    error = serializers.CharField(allow_null=True)
    summary = serializers.CharField(
        allow_null=True,
        help_text="Of an array with many invalid reports: how many, and which fields broke rules; null: one report.",
    )
    sender_id = serializers.CharField(
        allow_blank=True, help_text="AWS's id of who sent the message; empty where it is not known."
    )
    body = serializers.CharField(help_text="The exact text; its beginning where is_cut is true.")
    is_cut = serializers.BooleanField()
    sent_at = serializers.DateTimeField()
    receive_count = serializers.IntegerField()
    moved_by_sqs = serializers.BooleanField(
        help_text="True: SQS moved it after too many receives; the reason is unknown."
    )
    first_message_id = serializers.CharField()
    index = serializers.IntegerField(allow_null=True)
    letter = serializers.CharField(allow_null=True, help_text="Identifies it in POST; null: use manage.py redrive.")
    hidden_until = serializers.DateTimeField(allow_null=True, help_text="Null: it is not hidden from others.")


class DeadLettersAnswer(serializers.Serializer[Any]):
    letters = LetterAnswer(many=True)
    hidden_s = serializers.IntegerField(
        help_text="Seconds until the first of the letters is visible to others again; 0: none is hidden."
    )
    total = serializers.IntegerField(help_text="About how many messages the dead-letter queue has, hidden or not.")
    is_kept = serializers.BooleanField(
        help_text="False: no listing shows these again while they are hidden, as the database did not answer."
    )


class SettledBefore(serializers.Serializer[Any]):
    message_id = serializers.CharField()
    action = serializers.ChoiceField(LETTER_ACTIONS)
    by = serializers.CharField(help_text="Name of the user.")
    at = serializers.DateTimeField()


class Settle(serializers.Serializer[Any]):
    action = serializers.ChoiceField(LETTER_ACTIONS)
    letters = serializers.ListField(child=serializers.CharField(), min_length=1, max_length=10)


class Settled(serializers.Serializer[Any]):
    action = serializers.ChoiceField(LETTER_ACTIONS)
    done = serializers.ListField(child=serializers.CharField(), help_text="Message ids.")
    again = serializers.ListField(
        child=serializers.CharField(), help_text="Message ids that this request did not settle."
    )
    settled_before = SettledBefore(
        many=True,
        allow_null=True,
        help_text="Of these, the ones that the admin's log knows as settled; null: it cannot be read.",
    )
    noted = serializers.BooleanField(help_text="False: not in the admin's log, since the database did not answer.")
