"""Rules of alerts as operators enter them: workers read copies (reports.insight.alert_rule)."""

from __future__ import annotations

import base64
import secrets
from typing import Any, ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, validate_email
from django.db import models, transaction
from django.utils import timezone

from reports.insight.alert_rule import LISTED, Channel
from reports.insight.status import REPORTED
from reports.pending_entries import Registered, note_change
from reports.register_kinds import ALERT
from trashsite import webhooks


class AlertRule(Registered):
    """
    Of which changes of cans' statuses to tell whom, and by which channel.

    statuses: with commas between, those that a can comes to have. secret: signs what a webhook gets; it is made when
    the rule is, shown once, and again never. tells_from: since when it is switched on; it does not tell
    of what is older.
    """

    register_kind = ALERT
    #: Rules that there may be: workers look at each of them for each change.
    MOST: ClassVar[int] = 100

    name = models.CharField(max_length=60, unique=True)
    is_on = models.BooleanField("switched on", default=True)
    statuses = models.CharField(max_length=80, default="FIRE,TILT,FULL,SILENT,SUSPECT", help_text="with commas between")
    stream = models.CharField(max_length=64, blank=True, help_text="empty: every stream")
    can_id = models.CharField(
        "can", max_length=128, blank=True, help_text="empty: every can; north-*: those whose ids begin so"
    )
    channel = models.CharField(max_length=8, choices=[(str(each), str(each)) for each in Channel])
    address = models.CharField(
        max_length=500, blank=True,
        help_text="of the webhook, or mail addresses with commas between; empty for SNS",
    )  # fmt: skip
    secret = models.CharField(max_length=64, editable=False, blank=True)
    quiet_from = models.TimeField(null=True, blank=True, help_text="from then on nothing is sent")
    quiet_until = models.TimeField(null=True, blank=True, help_text="what still is so is sent then")
    hold_minutes = models.PositiveIntegerField(
        default=0, validators=[MaxValueValidator(600)], help_text="for so long a status must have lasted"
    )
    pause_minutes = models.PositiveIntegerField(
        default=60, validators=[MaxValueValidator(10_080)],
        help_text="for so long the same can and status is not told again",
    )  # fmt: skip
    most_an_hour = models.PositiveIntegerField(
        default=60, validators=[MinValueValidator(1), MaxValueValidator(10_000)], help_text="alerts by this rule"
    )
    tells_from = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    @property
    def register_id(self) -> str:
        return str(self.pk)

    def new_secret(self) -> str:
        """Return a new secret, which signs from the next save on; an earlier one is void then."""
        self.secret = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
        return self.secret

    def clean(self) -> None:
        """Refuse what could never be told, or not by this channel. Raises ValidationError by field."""
        if AlertRule.objects.exclude(pk=self.pk).count() >= self.MOST:
            raise ValidationError({"name": f"There can be at most {self.MOST} rules."})
        words = [word.strip().upper() for word in self.statuses.split(",") if word.strip()]
        if not words or not set(words) <= {*REPORTED}:
            raise ValidationError({"statuses": f"It must be some of {', '.join(REPORTED)}, with commas between."})
        self.statuses = ",".join(dict.fromkeys(words))
        if (self.quiet_from is None) != (self.quiet_until is None):
            missing = "quiet_until" if self.quiet_until is None else "quiet_from"
            raise ValidationError({missing: "Enter both ends of the quiet hours, or neither."})
        match self.channel:
            case Channel.WEBHOOK:
                if flaw := webhooks.flaw_of(self.address, allow_private=settings.TRASH_PRIVATE_WEBHOOKS):
                    raise ValidationError({"address": f"It {flaw}."})
            case Channel.EMAIL:
                for each in self.address.split(","):
                    try:
                        validate_email(each.strip())
                    except ValidationError:
                        raise ValidationError({"address": "It must be mail addresses with commas between."}) from None
            case Channel.SNS if self.address:
                raise ValidationError({"address": "It must be empty: the topic is that of TRASH_ALERT_TOPIC."})

    def save(self, *args: Any, **named: Any) -> None:
        """Save the rule, with a secret where it needs one and has none, and note it and the list of rules."""
        if not self.is_on:
            self.tells_from = None
        elif self.tells_from is None:
            self.tells_from = timezone.now()
        with transaction.atomic():
            if self.channel == Channel.WEBHOOK and not self.secret:
                self.new_secret()
            super().save(*args, **named)
            note_change(self.register_kind, [LISTED])


def _note_rule_deleted(instance: AlertRule, **_: Any) -> None:
    note_change(instance.register_kind, [instance.register_id, LISTED])


models.signals.pre_delete.connect(_note_rule_deleted, sender=AlertRule)
