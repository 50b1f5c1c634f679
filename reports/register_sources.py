"""
What workers must know of Django's database, as the texts of the register's entries (reports.publishing copies them).

An entry has a kind and an id; each kind has its source here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from django.db.models import Q

from reports.entered_models import Correction, StreamLimits
from reports.formats import mounting, registered
from reports.insight import entered
from reports.insight.entered import Entered, Limits
from reports.models import HAS_LIMITS, Can, streams_entered
from reports.register_kinds import ALERT, ALL_STREAMS, CAN, LIMITS, RETIRED, SENSOR
from reports.rule_entries import rule_ids, rule_texts
from reports.sensor_models import Mounting, Sensor


@dataclass(frozen=True, slots=True)
class Source:
    """
    Where one kind of entries comes from.

    texts: the text of each of some ids, as the database has it now; without those that it does not have.
    ids: all there are.
    """

    texts: Callable[[Sequence[str]], Mapping[str, str]]
    ids: Callable[[], Iterable[str]]


def sensor_texts(keys: Sequence[str]) -> dict[str, str]:
    """Return the entries of sensors' keys: model and mountings of all their channels."""
    models: dict[str, str] = {}
    mountings: dict[str, list[mounting.Mounting]] = {}
    for sensor in Sensor.objects.filter(key__in=keys).prefetch_related("mountings"):
        models[sensor.key] = models.get(sensor.key) or sensor.model
        mountings.setdefault(sensor.key, []).extend(_mounting(sensor, each) for each in sensor.mountings.all())
    return {key: registered.to_text(models[key], mountings[key]) for key in models}


def _mounting(sensor: Sensor, row: Mounting) -> mounting.Mounting:
    calibration = None
    if row.empty_mm is not None and row.full_mm is not None:
        calibration = mounting.Calibration(
            version=row.version,
            empty_mm=Decimal(row.empty_mm),
            full_mm=Decimal(row.full_mm),
            blind_mm=None if row.blind_mm is None else Decimal(row.blind_mm),
            is_blind_full=row.is_blind_full,
        )
    return mounting.Mounting(
        can_id=row.can_id,
        since=row.since,
        until=row.until,
        channel=sensor.channel or None,
        calibration=calibration,
        holds_tilted=row.holds_tilted,
    )


def _sensor_keys() -> Iterator[str]:
    return Sensor.objects.order_by("key").values_list("key", flat=True).distinct().iterator()


def can_texts(can_ids: Sequence[str]) -> dict[str, str]:
    """Return the entries of what was entered of cans: their limits, and their emptyings added and struck."""
    return {can_id: entered.to_text(each) for can_id, each in _entered(can_ids).items() if each != entered.NOTHING}


def entered_of(can_id: str) -> Entered:
    """Return what was entered of one can."""
    return _entered([can_id])[can_id]


def _entered(can_ids: Sequence[str]) -> dict[str, Entered]:
    limits = by_stream()
    found = dict.fromkeys(can_ids, entered.NOTHING)
    for can in Can.objects.filter(can_id__in=can_ids):
        # The stream that is entered counts over the one that the device sends.
        of_stream = limits.get(can.stream.casefold()) if can.stream else None
        full_from = of_stream.full_from if can.full_from is None and of_stream else can.full_from
        hysteresis = of_stream.hysteresis if can.hysteresis is None and of_stream else can.hysteresis
        found[can.can_id] = Entered(_number(full_from), _number(hysteresis))
    for can_id in can_ids:
        instants: dict[bool, list[int]] = {False: [], True: []}
        for each in Correction.objects.filter(can_id=can_id).order_by("at"):
            instants[each.is_struck].append(math.floor(each.at.timestamp()))
        found[can_id] = replace(found[can_id], added=tuple(instants[False]), struck=tuple(instants[True]))
    return found


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)


def by_stream() -> dict[str, Limits]:
    """Return the limits that were entered of streams, by their names without case."""
    found = StreamLimits.objects.all()
    return {each.stream: Limits(float(each.full_from), float(each.hysteresis)) for each in found}


def _limits_texts(ids: Sequence[str]) -> dict[str, str]:
    return dict.fromkeys(ids, entered.limits_to_text(by_stream()))


def _cans_entered() -> Iterator[str]:
    corrected = set(Correction.objects.values_list("can_id", flat=True).distinct())
    yield from corrected
    limits = by_stream()
    names = [name for name in streams_entered() if name.casefold() in limits]
    for can_id in Can.objects.filter(HAS_LIMITS | Q(stream__in=names)).values_list("pk", flat=True).iterator():
        if can_id not in corrected:
            yield can_id


def _retired_texts(can_ids: Sequence[str]) -> dict[str, str]:
    retired = Can.objects.filter(pk__in=can_ids, retired_at__isnull=False)
    return {can_id: at.isoformat() for can_id, at in retired.values_list("pk", "retired_at") if at}


def _retired_cans() -> Iterator[str]:
    return Can.objects.filter(retired_at__isnull=False).values_list("pk", flat=True).iterator()


#: By kind. Another kind needs a line here, a Registered model, and a Register in the worker.
SOURCES: Mapping[str, Source] = {
    SENSOR: Source(sensor_texts, _sensor_keys),
    CAN: Source(can_texts, _cans_entered),
    RETIRED: Source(_retired_texts, _retired_cans),
    LIMITS: Source(_limits_texts, lambda: [ALL_STREAMS]),
    ALERT: Source(rule_texts, rule_ids),
}
