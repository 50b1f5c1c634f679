"""What operators enter that cans' states depend on: thresholds of streams, emptyings added and struck."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from reports.insight import entered
from reports.insight.status import FULL_FROM, HYSTERESIS
from reports.pending_entries import Registered, note_deleted
from reports.register_kinds import ALL_STREAMS, CAN, LIMITS
from reports.report import iso

MOST_STREAMS = 100
#: Corrections of one can: as many as fit into its entry.
MOST_CORRECTIONS = 300


class StreamLimits(Registered):
    """From which level on cans of a stream are full, where none is entered of the can itself."""

    register_kind = LIMITS

    stream = models.CharField(max_length=64, primary_key=True, help_text="paper, glass, plastic, ...")
    full_from = models.PositiveSmallIntegerField(
        "full from", default=int(FULL_FROM), validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text="percent",
    )  # fmt: skip
    hysteresis = models.PositiveSmallIntegerField(
        default=int(HYSTERESIS), validators=[MaxValueValidator(50)],
        help_text="points below that from which a can is no longer full",
    )  # fmt: skip

    class Meta:
        ordering = ("stream",)
        verbose_name_plural = "stream limits"

    def __str__(self) -> str:
        return f"{self.stream}: full from {self.full_from} %"

    @property
    def register_id(self) -> str:
        return ALL_STREAMS

    def clean(self) -> None:
        """Write the stream without case, and refuse one too many. Raises ValidationError by field."""
        self.stream = self.stream.strip().casefold()
        if not self.stream:
            raise ValidationError({"stream": "It must not be empty."})
        if StreamLimits.objects.exclude(pk=self.pk).count() >= MOST_STREAMS:
            raise ValidationError({"stream": f"Limits of at most {MOST_STREAMS} streams can be entered."})
        # Workers read them as one text: what does not fit would be told to none of them.
        names = {self.stream, *StreamLimits.objects.values_list("stream", flat=True)}
        text = entered.limits_to_text(dict.fromkeys(names, entered.Limits(100.0, 50.0)))
        if len(text) > entered.MOST_CHARACTERS:
            raise ValidationError({"stream": "The names of all streams with limits are too long together."})

    @classmethod
    def enter(cls, stream: str, *, full_from: int, hysteresis: int) -> StreamLimits:
        """Save the limits of one stream, in place of those that were entered. Raises ValidationError by field."""
        if "\x00" in stream:
            # PostgreSQL refuses to be asked for it.
            raise ValidationError({"stream": "It must hold no NUL character."})
        limits = cls(stream=stream, full_from=full_from, hysteresis=hysteresis)
        limits.clean()
        limits.clean_fields()
        limits.save()
        return limits


class Correction(Registered):
    """
    An emptying that an operator added, or struck, with the reason.

    at: of an added one when it was; of a struck one the first report after it.
    """

    register_kind = CAN

    can_id = models.CharField(max_length=128)
    at = models.DateTimeField()
    is_struck = models.BooleanField()
    note = models.CharField(max_length=200)
    by = models.CharField(max_length=150)
    entered_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        ordering = ("-at",)
        constraints = (models.UniqueConstraint(fields=("can_id", "at"), name="correction_once"),)

    def __str__(self) -> str:
        return f"{'struck' if self.is_struck else 'added'} {iso(self.at)}"

    @property
    def register_id(self) -> str:
        return self.can_id


for registered in (StreamLimits, Correction):
    models.signals.post_delete.connect(note_deleted, sender=registered)
