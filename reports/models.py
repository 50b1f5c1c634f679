"""
What the fleet's owner knows and no device sends, in Django's database: facts of cans, sensors and where they are.

Workers do not read this database. What they must know is copied into the store's register (reports.publishing): each
change of a Registered row notes in its own transaction which entries have to be copied again.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import connection, models, transaction

from reports.alert_rules import AlertRule  # noqa: F401 # Django looks for an app's models here
from reports.entered_models import CAN, RETIRED, Correction, StreamLimits
from reports.formats import models as formats_models
from reports.insight.entered import DEFAULT, Spread
from reports.pending_entries import Registered, note_change, note_deleted
from reports.report import Report, iso

CAN_ID = RegexValidator(r"^[^/\x00-\x1f]+\Z")

#: Characters of a word that are searched.
MAX_WORD = 40
_WORD = re.compile(r"\w+")


class Facts(NamedTuple):
    """What the API answers of a can's facts. latitude, longitude: degrees with six decimals, None where not known."""

    name: str
    address: str
    stream: str
    latitude: str | None
    longitude: str | None


#: Cans of which limits of their own are entered.
HAS_LIMITS = models.Q(full_from__isnull=False) | models.Q(hysteresis__isnull=False)


class Can(models.Model):
    """
    The facts of one can, under the id that its device sends.

    retired_at: out of service from then on, gone from lists and counts; a newer report revives it.
    """

    can_id = models.CharField("can", max_length=128, primary_key=True, validators=[CAN_ID])
    name = models.CharField(max_length=120, blank=True)
    address = models.CharField(max_length=240, blank=True)
    stream = models.CharField(max_length=64, blank=True, help_text="paper, glass, plastic, ...")
    latitude = models.DecimalField(
        max_digits=9, decimal_places=6, null=True, blank=True,
        validators=[MinValueValidator(-90), MaxValueValidator(90)],
    )  # fmt: skip
    longitude = models.DecimalField(
        max_digits=9, decimal_places=6, null=True, blank=True,
        validators=[MinValueValidator(-180), MaxValueValidator(180)],
    )  # fmt: skip
    retired_at = models.DateTimeField(null=True, blank=True, help_text="out of service from then on")
    full_from = models.PositiveSmallIntegerField(
        "full from", null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text="percent; empty: as its stream",
    )  # fmt: skip
    hysteresis = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[MaxValueValidator(50)],
        help_text="points below that from which it is no longer full; empty: as its stream",
    )  # fmt: skip
    #: False says nothing: who lists the cans that never reported asks the store, and notes here which have.
    has_reported = models.BooleanField(default=False, editable=False)

    class Meta:
        ordering = ("can_id",)
        indexes = (
            models.Index(fields=("can_id",), name="can_never_reported", condition=models.Q(has_reported=False)),
            models.Index(fields=("latitude", "longitude"), name="can_place"),
            models.Index(fields=("full_from", "hysteresis"), name="can_with_limits", condition=HAS_LIMITS),
        )

    def __str__(self) -> str:
        return f"{self.can_id} {self.name}".strip()

    def clean(self) -> None:
        """Refuse half a place: no page could show it. Raises ValidationError."""
        for given, missing in (("latitude", "longitude"), ("longitude", "latitude")):
            if getattr(self, given) is not None and getattr(self, missing) is None:
                raise ValidationError({missing: f"Enter a {missing} too, or leave both empty."})

    def save(self, *args: Any, **named: Any) -> None:
        """Save the facts, and the words by which they are found."""
        with transaction.atomic():
            before = Can.objects.filter(pk=self.pk).first() or Can(pk=self.pk)
            super().save(*args, **named)
            index_words([self])
            if before.retired_at != self.retired_at:
                note_change(RETIRED, [self.pk])
            has_limits_changed = (before.full_from, before.hysteresis) != (self.full_from, self.hysteresis)
            if has_limits_changed or (before.stream != self.stream and StreamLimits.objects.exists()):
                note_change(CAN, [self.pk])

    @property
    def facts(self) -> Facts:
        return Facts(self.name, self.address, self.stream, _degrees(self.latitude), _degrees(self.longitude))

    def is_retired(self, measured_at: datetime | None) -> bool:
        """Say whether it is out of service, given when its newest report was measured."""
        return self.retired_at is not None and (measured_at is None or measured_at <= self.retired_at)


def note_cans_of(instance: StreamLimits, **_: Any) -> None:
    """Note the cans of which this stream is entered: the others follow by what they send."""
    names = [name for name in streams_entered() if name.casefold() == instance.stream]
    note_change(CAN, list(Can.objects.filter(stream__in=names).values_list("pk", flat=True)))


def streams_entered() -> list[str]:
    """Return the streams that are entered of cans; no database knows the case of every alphabet."""
    return list(Can.objects.exclude(stream="").order_by().values_list("stream", flat=True).distinct())


class CanWord(models.Model):
    """A word of a can's name or address, as `words_of` writes it: by these the fleet is searched."""

    can = models.ForeignKey(Can, on_delete=models.CASCADE, db_index=False)
    word = models.CharField(max_length=MAX_WORD, db_index=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("can", "word"), name="word_of_can"),)

    def __str__(self) -> str:
        return self.word


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

    register_kind = "sensor"

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

    register_kind = "sensor"

    sensor = models.ForeignKey(Sensor, on_delete=models.CASCADE, related_name="mountings")
    can_id = models.CharField("can", max_length=128, validators=[CAN_ID], db_index=True)
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
        """Refuse what no reading could be judged by. Raises ValidationError by field."""
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
                raise ValidationError({"since": f"The sensor is in can {other.can_id} at that time."})
            before = Mounting.objects.filter(pk=self.pk).first() if self.pk else None
            if before and before.calibration != self.calibration:
                self.version = before.version + 1
            super().save(*args, **named)
            note_change("kept", [self.register_id])

    def _overlapped(self) -> Mounting | None:
        others = Mounting.objects.filter(sensor_id=self.sensor_id).exclude(pk=self.pk)
        if self.until is not None:
            others = others.filter(since__lt=self.until)
        return others.filter(models.Q(until=None) | models.Q(until__gt=self.since)).first()


def note_deleted_can(instance: Can, **_: Any) -> None:
    """Note the entries of a can whose facts are deleted."""
    if instance.retired_at:
        note_change(RETIRED, [instance.pk])
    if (instance.full_from, instance.hysteresis) != (None, None) or (instance.stream and StreamLimits.objects.exists()):
        note_change(CAN, [instance.pk])


models.signals.post_delete.connect(note_deleted_can, sender=Can)
for changed in (models.signals.post_save, models.signals.post_delete):
    changed.connect(note_cans_of, sender=StreamLimits)
for registered in (Sensor, Mounting, StreamLimits, Correction):
    models.signals.post_delete.connect(note_deleted, sender=registered)


class UplinkSource(models.Model):
    """
    A network server that may send uplinks by HTTP, to POST /uplinks/<name>, with a secret in a header.

    Only the secret's SHA-256 is stored: its 256 random bits need no slow hash.
    """

    name = models.SlugField(max_length=40, primary_key=True, help_text="in its address: /uplinks/<name>")
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


#: The facts of a can, as a change names them.
FACTS = ("name", "address", "stream", "latitude", "longitude", "retired_at", "full_from", "hysteresis")
#: What else a change may name: an emptying that was added or struck, or is so no longer.
EMPTYING = "emptying"
#: Changes kept of one can: of more, the oldest are deleted.
MOST_CHANGES = 100


class CanChange(models.Model):
    """
    One change of a can's facts.

    kind: "added", "changed" or "deleted". by: the user's name at that time. via: "form", "API", "CSV" or "admin".
    facts: by name, what stood there before and what after, as text; "" for nothing. retired_at is ISO 8601. An emptying
    that was added or struck is one of them, with its note.
    """

    can_id = models.CharField(max_length=128)
    at = models.DateTimeField()
    kind = models.CharField(max_length=8)
    by = models.CharField(max_length=150)
    via = models.CharField(max_length=8)
    facts = models.JSONField()

    class Meta:
        default_permissions = ()
        ordering = ("-id",)
        indexes = (models.Index(fields=["can_id", "-id"], name="change_of_can"),)

    def __str__(self) -> str:
        return f"{self.can_id}: {self.kind} by {self.by}"


#: A can before a change and after it; None: no facts are known.
Pair = tuple[Can | None, Can | None]


class SavedViews(models.Manager["SavedView"]):
    """The saved views; all but their owners see shared ones alone."""

    def usable_by(self, user: AbstractBaseUser | AnonymousUser) -> models.QuerySet[SavedView]:
        """Return the user's own views, and those that are shared."""
        shared = models.Q(owner=None)
        return self.filter(shared | models.Q(owner=user.pk) if user.is_authenticated else shared)


class SavedView(models.Model):
    """A filter of the fleet under a name: the query string that shows it. owner: None where it is shared."""

    objects = SavedViews()

    name = models.CharField(max_length=64)
    query = models.CharField(max_length=500, blank=True, help_text="as in the address: status=FULL&stream=paper")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        help_text="empty: everybody's",
    )

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


def limits_spread() -> Spread:
    """Return between which limits those of all cans lie, as they are entered."""
    pairs = [*Can.objects.filter(HAS_LIMITS).order_by().values_list("full_from", "hysteresis").distinct()]
    pairs += StreamLimits.objects.order_by().values_list("full_from", "hysteresis")
    full_from = [DEFAULT.full_from, *(float(each) for each, _ in pairs if each is not None)]
    hysteresis = [DEFAULT.hysteresis, *(float(each) for _, each in pairs if each is not None)]
    return Spread(min(full_from), max(full_from), max(hysteresis))


def facts_of(can_ids: Iterable[str]) -> Mapping[str, Can]:
    """Return what is known of these cans, by id, in one query."""
    return Can.objects.in_bulk(list(can_ids))


def place_of(report: Report, can: Can | None) -> tuple[float, float] | None:
    """Return where a can is, latitude and longitude: what is known of it, else what its device sent."""
    if can and can.latitude is not None and can.longitude is not None:
        return float(can.latitude), float(can.longitude)
    return (float(report.location[0]), float(report.location[1])) if report.location else None


def stream_of(report: Report, can: Can | None) -> str:
    """Return the stream of a can: what is entered of it, else what its device sent; "" where neither tells it."""
    return (can.stream if can else "") or report.stream or ""


def facts_of_one(can_id: str) -> Facts | None:
    """
    Return the facts of one can, None where none are known, in one query.

    It is SQL, since a can's answer is asked for most: 0.02 ms of CPU, and 0.42 ms where Django writes the query
    (SQLite, 26 November 2026).
    """
    with connection.cursor() as cursor:
        cursor.execute(_FACTS_OF_ONE, [can_id])
        found = cursor.fetchone()
    if not found:
        return None
    name, address, stream, latitude, longitude = found
    return Facts(name, address, stream, _degrees(latitude), _degrees(longitude))


_FACTS_OF_ONE = "SELECT name, address, stream, latitude, longitude FROM reports_can WHERE can_id = %s"


def _degrees(number: Decimal | float | None) -> str | None:
    return None if number is None else f"{number:.6f}"


def is_can_id(text: str) -> bool:
    """Say whether this can be a can's id: no database needs to be asked for what cannot."""
    try:
        Can._meta.get_field("can_id").clean(text, None)
    except ValidationError:
        return False
    return True


def note_changes(pairs: Iterable[Pair], *, by: str, via: str, now: datetime) -> Sequence[CanChange]:
    """
    Keep what differs between the two states of each can, and return it; of a can the newest hundred are kept.

    Call it in the transaction that makes the change.
    """
    return _kept([change for before, after in pairs if (change := _change(before, after, by, via, now))])


def note_emptying(can_id: str, before: str, after: str, *, by: str, via: str, now: datetime) -> None:
    """Keep that an emptying of a can was added or struck. Call it in the transaction that makes the change."""
    facts = {EMPTYING: [before, after]}
    _kept([CanChange(can_id=can_id, at=now, kind="changed", by=by, via=via, facts=facts)])


def _kept(changes: list[CanChange]) -> Sequence[CanChange]:
    CanChange.objects.bulk_create(changes, batch_size=500)
    can_ids = [change.can_id for change in changes]
    for start in range(0, len(can_ids), 500):
        counted = CanChange.objects.filter(can_id__in=can_ids[start : start + 500]).order_by().values("can_id")
        for row in counted.annotate(count=models.Count("id")).filter(count__gt=MOST_CHANGES):
            of_can = CanChange.objects.filter(can_id=row["can_id"])
            of_can.filter(id__lte=of_can.values_list("id", flat=True)[MOST_CHANGES]).delete()
    return changes


def changes_of(can_id: str) -> Sequence[CanChange]:
    """Return the changes that are kept of one can, the newest first."""
    return list(CanChange.objects.filter(can_id=can_id))


def _change(before: Can | None, after: Can | None, by: str, via: str, now: datetime) -> CanChange | None:
    old, new = ({name: _text(name, getattr(can, name, None)) for name in FACTS} for can in (before, after))
    facts = {name: [old[name], new[name]] for name in FACTS if old[name] != new[name]}
    can = after or before
    if can is None or (before and after and not facts):
        return None
    kind = "added" if before is None else "deleted" if after is None else "changed"
    return CanChange(can_id=can.can_id, at=now, kind=kind, by=by, via=via, facts=facts)


def _text(name: str, fact: Any) -> str:
    if fact is None:
        return ""
    if name in ("latitude", "longitude"):
        # Equal ones are the same text, whoever has read them: 50.1 and 50.100000.
        return f"{Decimal(fact).normalize():f}"
    return iso(fact) if isinstance(fact, datetime) else str(fact)


def words_of(text: str) -> set[str]:
    """Return the words of a text as they are searched: without case and accents, cut after MAX_WORD characters."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return {word[:MAX_WORD] for word in _WORD.findall("".join(one for one in plain if not unicodedata.combining(one)))}


def index_words(cans: Sequence[Can]) -> None:
    """Write the words by which these cans are found anew; whoever saves facts without Can.save calls it."""
    for at in range(0, len(cans), 500):
        part = cans[at : at + 500]
        CanWord.objects.filter(can__in=part).delete()
        words = [CanWord(can=can, word=word) for can in part for word in words_of(f"{can.name} {can.address}")]
        # Another process may have saved the same can meanwhile.
        CanWord.objects.bulk_create(words, batch_size=1000, ignore_conflicts=True)
