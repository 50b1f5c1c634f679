"""What operators entered of a can that its state depends on: thresholds, and emptyings that they added or struck."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from reports.insight.status import FULL_FROM, HYSTERESIS


@dataclass(frozen=True, slots=True)
class Limits:
    """full_from: percent from which on a can is full; it stays so until it falls `hysteresis` points below."""

    full_from: float = float(FULL_FROM)
    hysteresis: float = float(HYSTERESIS)


@dataclass(frozen=True, slots=True)
class Entered:
    """
    What was entered of one can.

    full_from, hysteresis: None where its stream's hold. added, struck: seconds since 1970, ascending. A can counts as
    emptied at the first report from an added instant on, whatever the levels show; an emptying that they show around a
    struck instant is none.
    """

    full_from: float | None = None
    hysteresis: float | None = None
    added: tuple[int, ...] = ()
    struck: tuple[int, ...] = ()

    def limits(self, of_stream: Limits) -> Limits:
        """Return the can's own limits, and its stream's where it has none."""
        return Limits(
            of_stream.full_from if self.full_from is None else self.full_from,
            of_stream.hysteresis if self.hysteresis is None else self.hysteresis,
        )

    def changed_from(self, other: Entered) -> int | None:
        """Return the first instant at which emptyings were entered differently, None where they are the same."""
        differ = {*self.added} ^ {*other.added} | {*self.struck} ^ {*other.struck}
        return min(differ, default=None)

    def members(self) -> dict[str, Any]:
        """Return it as JSON members, without what is not entered."""
        members = {"full": self.full_from, "below": self.hysteresis, "added": self.added, "struck": self.struck}
        return {name: value for name, value in members.items() if value not in (None, ())}


NOTHING, DEFAULT = Entered(), Limits()


@dataclass(frozen=True, slots=True)
class Spread:
    """Between which limits those of all cans lie: the least and the greatest threshold, the greatest hysteresis."""

    least: float = DEFAULT.full_from
    most: float = DEFAULT.full_from
    hysteresis: float = DEFAULT.hysteresis


def limits_of(stream: str | None, by_stream: Mapping[str, Limits]) -> Limits:
    """Return the limits of a stream; by_stream: by its name without case (str.casefold), those that were entered."""
    return by_stream.get((stream or "").casefold(), DEFAULT)


def of_members(members: Mapping[str, Any]) -> Entered:
    """Return what `members` wrote."""
    added, struck = (tuple(members.get(name, ())) for name in ("added", "struck"))
    return Entered(members.get("full"), members.get("below"), added, struck)


def to_text(entered: Entered) -> str:
    """Return a can's entry in the register."""
    return orjson.dumps(entered.members()).decode()


def from_text(text: str) -> Entered:
    """Return what a can's entry in the register says."""
    return of_members(orjson.loads(text))


#: Characters of the entry of all streams: an entry of the register takes 8,000.
MOST_CHARACTERS = 7_500


def limits_to_text(by_stream: Mapping[str, Limits]) -> str:
    """Return the register's entry of all streams whose limits were entered; names without case (str.casefold)."""
    return orjson.dumps({name: [each.full_from, each.hysteresis] for name, each in sorted(by_stream.items())}).decode()


def limits_from_text(text: str) -> dict[str, Limits]:
    """Return what `limits_to_text` wrote."""
    # Without what a later version has added.
    return {name: Limits(*numbers[:2]) for name, numbers in orjson.loads(text).items()}
