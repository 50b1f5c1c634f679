"""What the fleet's owner knows of a can, and no device sends: facts, in Django's database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import connection, models


class Facts(NamedTuple):
    """What the API answers of a can's facts. latitude, longitude: degrees with six decimals, None where not known."""

    name: str
    address: str
    stream: str
    latitude: str | None
    longitude: str | None


class Can(models.Model):
    """
    The facts of one can, under the id that its device sends.

    retired_at: out of service from then on, gone from lists and counts; a newer report revives it.
    """

    can_id = models.CharField(
        "can", max_length=128, primary_key=True, validators=[RegexValidator(r"^[^/\x00-\x1f]+\Z")]
    )
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

    class Meta:
        ordering = ("can_id",)

    def __str__(self) -> str:
        return f"{self.can_id} {self.name}".strip()

    def clean(self) -> None:
        """Refuse half a place: no page could show it. Raises ValidationError."""
        for given, missing in (("latitude", "longitude"), ("longitude", "latitude")):
            if getattr(self, given) is not None and getattr(self, missing) is None:
                raise ValidationError({missing: f"Enter a {missing} too, or leave both empty."})

    @property
    def facts(self) -> Facts:
        return Facts(self.name, self.address, self.stream, _degrees(self.latitude), _degrees(self.longitude))

    def is_retired(self, measured_at: datetime | None) -> bool:
        """Say whether it is out of service, given when its newest report was measured."""
        return self.retired_at is not None and (measured_at is None or measured_at <= self.retired_at)


class SavedView(models.Model):
    """A filter of the fleet under a name: the query string that shows it."""

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


def facts_of(can_ids: Iterable[str]) -> Mapping[str, Can]:
    """Return what is known of these cans, by id, in one query."""
    return Can.objects.in_bulk(list(can_ids))


def facts_of_one(can_id: str) -> Facts | None:
    """
    Return the facts of one can, None where none are known, in one query.

    It is SQL, since a can's answer is asked for most, and what Django does to write this query costs several times the
    query.
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


def streams() -> dict[str, str]:
    """Return the stream of every can of which it is known here, by id."""
    return dict(Can.objects.exclude(stream="").values_list("can_id", "stream"))


def retired() -> dict[str, Can]:
    """Return the cans that were taken out of service, by id: few."""
    return {can.can_id: can for can in Can.objects.exclude(retired_at=None)}
