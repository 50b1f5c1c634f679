"""Sensors in Django's database: which are registered, in which can each is mounted, and which servers send for them."""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, RegexValidator
from django.db import models, transaction
from django.utils import timezone

from reports.can_id import check_can_id
from reports.formats import models as formats_models
from reports.pending_entries import Registered, note_change, note_deleted
from reports.register_kinds import SENSOR
from reports.report import MAX_AHEAD, iso

#: The kind of notes of sensors that may have waited for a mounting: what they sent meanwhile is kept.
KEPT = "kept"


def model_names() -> list[str]:
    """Return the names of all models of sensors, in order."""
    return sorted(model.name for family in formats_models.load() for model in family.models)


def canonical_key(key: str) -> str:
    """Return a sensor's key as its messages give it: a DevEUI's 16 digits in upper case, without - and :."""
    text = key.strip()
    digits = text.replace("-", "").replace(":", "").upper()
    return digits if re.fullmatch(r"[0-9A-F]{16}", digits) else text


class Sensor(Registered):
    """
    One sensor, or one channel of it, under the key by which its messages name it.

    key: 16 upper-case digits of a DevEUI, else an IMEI, ICCID, endpoint or entity id. channel: "" for the whole
    sensor, which takes every channel that is not entered by itself. model: "" where its messages tell it.
    """

    register_kind = SENSOR

    key = models.CharField(max_length=128, validators=[RegexValidator(r"^[^\x00-\x1f]+\Z")])
    channel = models.CharField(max_length=64, blank=True, help_text="of a sensor that measures several cans")
    model = models.CharField(max_length=64, blank=True, help_text="empty: as its messages tell")

    class Meta:
        ordering = ("key", "channel")
        constraints = (models.UniqueConstraint(fields=("key", "channel"), name="sensor_once"),)

    def __str__(self) -> str:
        return f"{self.key} {self.channel}".strip()

    @property
    def register_id(self) -> str:
        return self.key

    def clean(self) -> None:
        """Refuse a model that no file describes, and an empty key. Raises ValidationError by field."""
        if self.model and self.model not in model_names():
            raise ValidationError({"model": "It must be one of the models in docs/sensors.md, or empty."})
        self.key = canonical_key(self.key)


class Mounting(Registered):
    """
    A sensor in a can from an instant on, until another (None: still), and what its distances mean there.

    empty_mm, full_mm: distances in the empty can and where it counts as full; both None where the sensor tells a
    percent itself. blind_mm: nearer it cannot measure. version: raised by each change of the calibration; it stays with
    each report.
    """

    register_kind = SENSOR

    sensor = models.ForeignKey(Sensor, on_delete=models.CASCADE, related_name="mountings")
    can_id = models.CharField("can", max_length=128, validators=[check_can_id], db_index=True)
    since = models.DateTimeField(help_text="mounted at")
    until = models.DateTimeField(null=True, blank=True, help_text="taken out at; empty: still there")
    empty_mm = models.PositiveIntegerField(
        "distance when empty", null=True, blank=True, validators=[MaxValueValidator(100_000)], help_text="mm"
    )
    full_mm = models.PositiveIntegerField(
        "distance when full", null=True, blank=True, validators=[MaxValueValidator(100_000)], help_text="mm"
    )
    blind_mm = models.PositiveIntegerField(
        "blind zone", null=True, blank=True, validators=[MaxValueValidator(100_000)],
        help_text="mm; nearer the sensor cannot measure",
    )  # fmt: skip
    is_blind_full = models.BooleanField("nearer than the blind zone means full", default=False)
    holds_tilted = models.BooleanField("readings of a tilted sensor are held", default=True)
    version = models.PositiveIntegerField("calibration", default=1, editable=False)

    class Meta:
        ordering = ("-since",)

    def __str__(self) -> str:
        return f"{self.sensor} in {self.can_id}"

    @property
    def register_id(self) -> str:
        return self.sensor.key

    @property
    def calibration(self) -> tuple[object, ...]:
        """What a change of raises the version."""
        return self.empty_mm, self.full_mm, self.blind_mm, self.is_blind_full

    def clean(self) -> None:
        """Refuse a begin in the future, and what no reading could be judged by. Raises ValidationError by field."""
        now = timezone.now()
        if self.since is not None and self.since - now > MAX_AHEAD:
            raise ValidationError(
                {"since": f"It must not be in the future: now it is {iso(now.replace(microsecond=0))}."}
            )
        if (self.empty_mm is None) != (self.full_mm is None):
            missing = "full_mm" if self.full_mm is None else "empty_mm"
            raise ValidationError({missing: "Enter both distances, or neither where the sensor tells a percent."})
        if self.empty_mm is not None and self.full_mm is not None and self.full_mm >= self.empty_mm:
            raise ValidationError({"full_mm": "The distance when full must be less than the one when empty."})
        if self.blind_mm is not None and (self.empty_mm is None or self.blind_mm >= self.empty_mm):
            raise ValidationError({"blind_mm": "The blind zone must be less than the distance when empty."})
        if self.until is not None and self.since is not None and self.until <= self.since:
            raise ValidationError({"until": "It must be taken out after it was mounted."})

    def save(self, *args: Any, **named: Any) -> None:
        """
        Save, under a new version where the calibration is another one.

        Raises ValidationError where the sensor is in a can at that time already.
        """
        with transaction.atomic():
            # Locked, so that no two mountings of one sensor begin side by side.
            Sensor.objects.select_for_update().filter(pk=self.sensor_id).first()
            if other := self._overlapped():
                raise ValidationError({"since": self._overlap_rule(other)})
            before = Mounting.objects.filter(pk=self.pk).first() if self.pk else None
            if before and before.calibration != self.calibration:
                self.version = before.version + 1
            super().save(*args, **named)
            note_change(KEPT, [self.register_id])

    def _overlapped(self) -> Mounting | None:
        others = Mounting.objects.filter(sensor_id=self.sensor_id).exclude(pk=self.pk)
        if self.until is not None:
            others = others.filter(since__lt=self.until)
        return others.filter(models.Q(until=None) | models.Q(until__gt=self.since)).first()

    def _overlap_rule(self, other: Mounting) -> str:
        """Say which other mounting this one overlaps, and where."""
        if other.since > self.since:
            return (
                f"From {iso(other.since)} on the sensor is in can {other.can_id}: this mounting has to end by then, or "
                "the begin of that one has to be corrected."
            )
        until = "" if other.until is None else f" until {iso(other.until)}"
        return f"The sensor is in can {other.can_id} at that time: from {iso(other.since)} on{until}."


for registered in (Sensor, Mounting):
    models.signals.post_delete.connect(note_deleted, sender=registered)


class UplinkSource(models.Model):
    """
    A network server that may send uplinks by HTTP, to POST /uplinks/<name>, with a secret in a header.

    Only the secret's SHA-256 is stored: its 256 random bits need no slow hash.
    """

    name = models.SlugField(max_length=40, primary_key=True, help_text="in its address: /uplinks/NAME")
    digest = models.CharField(max_length=64, editable=False)
    is_open = models.BooleanField("may send", default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def new_secret(self) -> str:
        """Return a new secret, in whose place its digest is saved with the source; an earlier one is void then."""
        secret = secrets.token_urlsafe(32)
        self.digest = secret_digest(secret)
        return secret


def secret_digest(secret: str) -> str:
    """Return what is stored in a secret's place."""
    return hashlib.sha256(secret.encode(errors="surrogateescape")).hexdigest()
