"""
What the fleet's owner knows of cans and no device sends, in Django's database; and filters of the fleet under names.

Workers do not read this database. What they must know is copied into the store's register (reports.publishing): each
change notes in its own transaction which entries have to be copied again.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import connection, models, transaction

# Django looks for an app's models here.
from reports.alert_rules import AlertRule  # noqa: F401
from reports.can_id import check_can_id
from reports.entered_models import StreamLimits
from reports.insight.entered import DEFAULT, Spread
from reports.insight.status import is_out_of_service
from reports.kept_changes import CanChange  # noqa: F401
from reports.pending_entries import note_change
from reports.register_kinds import CAN, RETIRED
from reports.report import Report
from reports.sensor_models import Mounting, Sensor, UplinkSource  # noqa: F401

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


class ListedCan(NamedTuple):
    """What lists need of a can's facts, read without the model, which takes twice as long; members as in Can."""

    can_id: str
    name: str
    address: str
    stream: str
    latitude: Decimal | None
    longitude: Decimal | None
    retired_at: datetime | None
    has_reported: bool

    @property
    def facts(self) -> Facts:
        return Facts(self.name, self.address, self.stream, _degrees(self.latitude), _degrees(self.longitude))

    def is_retired(self, measured_at: datetime | None) -> bool:
        """Say whether it is out of service, given when its newest report was measured."""
        return is_out_of_service(self.retired_at, measured_at)


HALF_A_PLACE = "Enter both coordinates, or neither."


def lacking_coordinate(latitude: object, longitude: object) -> str:
    """Return which coordinate is missing where the other is given, else "": half a place is shown nowhere."""
    has_latitude, has_longitude = (given not in (None, "") for given in (latitude, longitude))
    return "" if has_latitude == has_longitude else "longitude" if has_latitude else "latitude"


#: Cans of which limits of their own are entered.
HAS_LIMITS = models.Q(full_from__isnull=False) | models.Q(hysteresis__isnull=False)


class Can(models.Model):
    """
    The facts of one can, under the id that its device sends.

    retired_at: out of service from then on, gone from lists and counts; a newer report revives it.
    """

    can_id = models.CharField("can", max_length=128, primary_key=True, validators=[check_can_id])
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
        """Refuse half a place. Raises ValidationError."""
        if lacking := lacking_coordinate(self.latitude, self.longitude):
            raise ValidationError({lacking: HALF_A_PLACE})

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


def note_cans_of(instance: StreamLimits, **_: Any) -> None:
    """Note the cans of which this stream is entered: the others follow by what they send."""
    names = [name for name in streams_entered() if name.casefold() == instance.stream]
    note_change(CAN, list(Can.objects.filter(stream__in=names).values_list("pk", flat=True)))


def streams_entered() -> list[str]:
    """Return the streams that are entered of cans; no database knows the case of every alphabet."""
    return list(Can.objects.exclude(stream="").order_by().values_list("stream", flat=True).distinct())


def note_deleted_can(instance: Can, **_: Any) -> None:
    """Note the entries of a can whose facts are deleted."""
    if instance.retired_at:
        note_change(RETIRED, [instance.pk])
    if (instance.full_from, instance.hysteresis) != (None, None) or (instance.stream and StreamLimits.objects.exists()):
        note_change(CAN, [instance.pk])


models.signals.post_delete.connect(note_deleted_can, sender=Can)
for changed in (models.signals.post_save, models.signals.post_delete):
    changed.connect(note_cans_of, sender=StreamLimits)


class CanWord(models.Model):
    """A word of a can's name or address, as `words_of` writes it: by these the fleet is searched."""

    can = models.ForeignKey(Can, on_delete=models.CASCADE, db_index=False)
    word = models.CharField(max_length=MAX_WORD, db_index=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("can", "word"), name="word_of_can"),)

    def __str__(self) -> str:
        return self.word


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


def listed(cans: models.QuerySet[Can]) -> list[ListedCan]:
    """Return the cans of a query as lists need them."""
    return [ListedCan._make(row) for row in cans.values_list(*ListedCan._fields)]


def facts_of(can_ids: Iterable[str]) -> Mapping[str, ListedCan]:
    """Return what is known of these cans, by id, in a query for each 500."""
    wanted = list(can_ids)
    parts = (wanted[at : at + 500] for at in range(0, len(wanted), 500))
    return {can.can_id: can for part in parts for can in listed(Can.objects.order_by().filter(pk__in=part))}


def place_of(report: Report, can: ListedCan | None) -> tuple[float, float] | None:
    """Return where a can is, latitude and longitude: what is known of it, else what its device sent."""
    if can and can.latitude is not None and can.longitude is not None:
        return float(can.latitude), float(can.longitude)
    return (float(report.location[0]), float(report.location[1])) if report.location else None


def stream_of(report: Report, can: ListedCan | None) -> str:
    """Return the stream of a can: what is entered of it, else what its device sent; "" where neither tells it."""
    return (can.stream if can else "") or report.stream or ""


_FACTS_OF_ONE = "SELECT name, address, stream, latitude, longitude FROM reports_can WHERE can_id = %s"


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


def _degrees(number: Decimal | float | None) -> str | None:
    return None if number is None else f"{number:.6f}"


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
