"""A sensor's entry in the register: its model and its mountings as one text, and back. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from reports.formats.mounting import Calibration, Mounting
from reports.report import iso

#: Characters of an entry: some thirty mountings, the latest, with all channels and swaps of years.
MOST_CHARACTERS = 7_500


@dataclass(frozen=True, slots=True)
class Registered:
    """
    What the fleet's owner has entered of one key.

    model: the name of its model (reports.formats.models), "" where it is not entered. mountings: of all its channels.
    """

    model: str = ""
    mountings: tuple[Mounting, ...] = ()


def to_text(model: str, mountings: Sequence[Mounting]) -> str:
    """Return the entry of a key: as many of its mountings as fit, those first that began last."""
    texts: list[str] = []
    for each in sorted(mountings, key=lambda each: each.since, reverse=True):
        texts.append(json.dumps(_members(each), separators=(",", ":"), ensure_ascii=False))
        if sum(map(len, texts)) + len(texts) > MOST_CHARACTERS:
            texts.pop()
            break
    return f'{{"model":{json.dumps(model, ensure_ascii=False)},"mountings":[{",".join(texts)}]}}'


def from_text(text: str) -> Registered:
    """
    Return what an entry says, without members that a later version has added.

    Raises ValueError, KeyError or TypeError for a text that `to_text` did not write.
    """
    found = json.loads(text)
    return Registered(str(found["model"]), tuple(_mounting(each) for each in found["mountings"]))


def _members(mounting: Mounting) -> dict[str, Any]:
    members: dict[str, Any] = {"can": mounting.can_id, "since": iso(mounting.since)}
    if mounting.until:
        members["until"] = iso(mounting.until)
    if mounting.channel:
        members["channel"] = mounting.channel
    if not mounting.holds_tilted:
        members["tilted"] = True
    if calibration := mounting.calibration:
        members["calibration"] = [
            calibration.version,
            f"{calibration.empty_mm:f}",
            f"{calibration.full_mm:f}",
            None if calibration.blind_mm is None else f"{calibration.blind_mm:f}",
            calibration.is_blind_full,
        ]
    return members


def _mounting(members: dict[str, Any]) -> Mounting:
    calibration = None
    if "calibration" in members:
        # Without what a later version has added.
        version, empty_mm, full_mm, blind_mm, is_blind_full = members["calibration"][:5]
        calibration = Calibration(
            version=version,
            empty_mm=Decimal(empty_mm),
            full_mm=Decimal(full_mm),
            blind_mm=None if blind_mm is None else Decimal(blind_mm),
            is_blind_full=is_blind_full,
        )
    return Mounting(
        can_id=members["can"],
        since=datetime.fromisoformat(members["since"]),
        until=datetime.fromisoformat(members["until"]) if "until" in members else None,
        channel=members.get("channel"),
        calibration=calibration,
        holds_tilted="tilted" not in members,
    )
