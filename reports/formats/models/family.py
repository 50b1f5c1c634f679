"""What a model's file says, once it has been checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from reports.formats.models.layout import Layout

#: Millimetres of one unit.
LENGTHS = {
    "mm": Decimal(1),
    "cm": Decimal(10),
    "dm": Decimal(100),
    "m": Decimal(1000),
    "in": Decimal("25.4"),
    "ft": Decimal("304.8"),
}
#: HART's codes of them, which VEGA's decoders pass on.
UNIT_CODES = {"44": "ft", "45": "m", "47": "in", "48": "cm", "49": "mm"}
#: Percent of one unit: SenML's ratio is `/`, OMA's registry writes percent as `/100`.
PERCENTS = {"%": Decimal(1), "/100": Decimal(1), "ratio": Decimal(100), "/": Decimal(100), "‰": Decimal("0.1")}
CELSIUS = ("°C", "℃", "degC", "Cel", "C", "Celsius degrees")
FAHRENHEIT = ("°F", "℉", "degF", "F")
TEMPERATURES = (*CELSIUS, *FAHRENHEIT)
BATTERIES = ("%", "V", "mV")

#: Names from the outside in: `measurement.value` is ("measurement", "value"). In brackets stands which element of a
#: list: `a[0].b` is ("a", "[0]", "b"), `a[name=x].b` the first one whose member `name` is x.
Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Quantity:
    """
    Where one quantity stands among the fields, the first of `paths` that is there, and what it means.

    unit: of a bare number; units: of those paths that differ. unit_path: where the message names the unit, or empty.
    is_unit_told: whether the message's own {value, unit} is believed. absent: values that mean that there is none.
    least, most: a number beyond is an error. events: values, and words in lower case, that mean an event and no
    measurement.
    """

    paths: tuple[Path, ...]
    unit: str
    units: Mapping[str, str] = field(default_factory=dict)
    unit_path: Path = ()
    is_unit_told: bool = False
    absent: frozenset[Decimal] = frozenset()
    least: Decimal | None = None
    most: Decimal | None = None
    events: Mapping[Decimal | str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BatteryRule:
    """
    How a model states its battery: as a quantity, None where it does not, and as a word.

    curve: volts and the percent that is left then, rising; between two points it is straight. status: paths of a word;
    low, ok: what it means, in lower case.
    """

    quantity: Quantity | None
    curve: tuple[tuple[Decimal, Decimal], ...] = ()
    status: tuple[Path, ...] = ()
    low: frozenset[str] = frozenset()
    ok: frozenset[str] = frozenset()

    def percent(self, volts: Decimal) -> Decimal | None:
        """Return the whole percent that is left at a voltage, None where no curve is known."""
        if not self.curve:
            return None
        (least, empty), (most, full) = self.curve[0], self.curve[-1]
        if not least < volts < most:
            return empty if volts <= least else full
        at = next(index for index, (point, _) in enumerate(self.curve) if point >= volts)
        (low, below), (high, above) = self.curve[at - 1 : at + 1]
        return (below + (above - below) * (volts - low) / (high - low)).quantize(Decimal(1))


@dataclass(frozen=True, slots=True)
class EventRule:
    """
    Fields whose values mean an event: those of `values`, or all others where is_other.

    is_void: there is no measurement then. listed: paths that lead through a list, before and after it.
    """

    event: str
    paths: tuple[Path, ...]
    listed: tuple[tuple[Path, Path], ...]
    values: frozenset[str]
    is_other: bool
    is_void: bool


def plain_word(value: object) -> str:
    """Return a word as rules compare it: lower case, without _ and -, true and false as such."""
    return str(value)[:40].lower().replace("_", " ").replace("-", " ").strip()


@dataclass(frozen=True, slots=True)
class History:
    """
    Where past measurements stand: a list of objects at `path`, or text `[a,b,time],[a,b,time]` there.

    columns: the names of a text's values, an empty name for what is skipped. time: the row's member with its time, or
    empty where the rows are `every_s` seconds apart, or as far as the number at `every_path` says, in `every_s`
    seconds: the first one so long before the frame, each further one before the last.
    """

    path: Path
    time: str
    columns: tuple[str, ...] = ()
    every_s: int = 0
    every_path: Path = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """
    A published message of the family and what it has to become; the tests hold each to it.

    model: with which the sensor has to be registered, where the message alone does not tell it. battery: "92 %".
    channels, past: distances in mm, of each channel and of the sensor's memory.
    """

    verdict: str
    port: int | None
    payload: bytes
    fields: Mapping[str, Any]
    model: str | None
    distance_mm: Decimal | None
    level_percent: Decimal | None
    temperature_c: Decimal | None
    battery: str | None
    events: tuple[str, ...]
    channels: Mapping[str, Any]
    past: tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """
    The models that share a codec: one file.

    told_fields: sets of decoded fields; where all of one set are there, it is this family. maker_fields: the same,
    where the DevEUI tells the maker besides. measures: fields that only a measuring frame has. known: the first names
    of all fields that are read. channels: instead of one distance, one for each channel. blind_zone_mm: nearer than
    this the sensor cannot measure. is_level_trusted: False where the model's own percent is known to be wrong.
    """

    file: str
    sources: tuple[str, ...]
    models: tuple[Model, ...] = ()
    makers: tuple[str, ...] = ()
    told_fields: tuple[frozenset[str], ...] = ()
    maker_fields: tuple[frozenset[str], ...] = ()
    prefers_bytes: bool = False
    measures: frozenset[str] = frozenset()
    known: frozenset[str] = frozenset()
    distance: Quantity | None = None
    channels: tuple[tuple[str, Quantity], ...] = ()
    level: Quantity | None = None
    is_empty_percent: bool = False
    is_level_trusted: bool = True
    temperature: Quantity | None = None
    battery: BatteryRule | None = None
    tilt: Quantity | None = None
    latitude: tuple[Path, ...] = ()
    longitude: tuple[Path, ...] = ()
    blind_zone_mm: Decimal | None = None
    events: tuple[EventRule, ...] = ()
    history: History | None = None
    layouts: tuple[Layout, ...] = ()
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """
    One model that can be bought.

    names: what servers call it, letters and digits in lower case. dev_eui: the first digits of its DevEUIs.
    servers: network servers through which only this model of its family comes. told_fields: sets of fields that of its
    family only this model has.
    """

    name: str
    family: Family = field(repr=False)
    names: tuple[str, ...] = ()
    dev_eui: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()
    told_fields: tuple[frozenset[str], ...] = ()
