"""A can's row as an item of the levels table, and back; also from what versions 0.1 and 0.2.0 wrote."""

from __future__ import annotations

import json
import zlib
from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson

from reports.insight.alarms import Told
from reports.insight.cycles import Emptied, Stage
from reports.insight.entered import DEFAULT, NOTHING, Limits, of_members
from reports.insight.fold import ALL, Row, Sent, rules_of
from reports.insight.packing import packed, unpacked
from reports.insight.state import CanState, Rules
from reports.insight.status import Outlook
from reports.insight.trend import EMPTY as NO_SAMPLES
from reports.insight.trend import SIZE, SLOT_S, SLOTS, sampled
from reports.insight.verdict import outlook
from reports.report import EPOCH, Report, iso
from reports.store.dynamodb import Item
from reports.store.keys import index_keys, instant_key
from reports.store.report_items import report_of

_MICROSECOND = timedelta(microseconds=1)


def row_values(row: Row) -> Item:
    """Return the attributes that the levels table keeps of a can, all but its id and version."""
    report = row.report
    assert report.received_at is not None
    place, rules = report.location, row.rules
    return {
        "level": {"S": report.level},
        "received_at": {"S": iso(report.received_at)},
        "order_key": {"S": row.key},
        "attributes": {"S": report.attributes},
        "stream": {"S": report.stream or ""},
        "location": {"S": f"{place[0]},{place[1]}" if place else ""},
        "fold": {"S": _fold_text(row)},
        "status": {"S": _outlook_text(row, rules)},
        "state": {"B": state_text(row.state, rules)},
        "trend": {"B": _in_base64(row.samples.to_bytes(SIZE, signed=True))},
        **index_keys(report.can_id, report.level, report.measured_at),
    }


def row_of(item: Item, report: Report | None = None) -> Row | None:
    """
    Return the row of the levels table that an item holds, None where it holds no level.

    report: what `report_of` returns of the item, where it was asked already. What the lab's own service wrote, and
    version 0.1 of this program, is taken as it is.
    """
    report = report or report_of(item)
    if report is None:
        return None
    key = item.get("order_key", {}).get("S", "")
    text = item.get("fold", {}).get("S")
    if not text or not key:
        stream_key, location_key = key if report.stream else "", key if report.location else ""
        return Row(report, key, stream_key, location_key, samples=_ring(item), is_whole=not key)
    return _unfolded(report, key, item, orjson.loads(text))


def version_of(item: Item | None) -> int:
    """Return how often a row of the levels table was written: 0 where there is none, or others alone wrote it."""
    return int((item or {}).get("version", {}).get("N", "0"))


def state_text(state: CanState | None, rules: Rules) -> str:
    """Return a can's state as DynamoDB's JSON writes bytes: base64; of one byte for none."""
    return _in_base64(b"\0" if state is None else packed(state, rules))


def _in_base64(data: bytes) -> str:
    return b2a_base64(data, newline=False).decode()


def state_of(item: Item, rules: Rules) -> CanState | None:
    """Return the state that an item holds, None where it has none by these rules."""
    text = item.get("state", {}).get("B")
    return unpacked(a2b_base64(text), rules) if text else None


def _outlook_text(row: Row, rules: Rules) -> str:
    """Return which status the can has from when on, "" where nothing is known but its newest report."""
    if row.state is not None:
        return outlook(row.state, rules, row.told).text(row.state.at)
    if (status := row.told.status) and row.report.measured_at:
        at = int(row.report.measured_at.timestamp())
        return Outlook(None, ((at, status),)).text(at)
    return ""


def _fold_text(row: Row) -> str:
    """
    Return what a row knows beside its newest report, as JSON.

    of: a check sum of the sort key up to which it is folded. stream, location: sort keys of the reports that sent them,
    where it was not the newest. known: by sort key, names and texts of attributes; of those two the number of the form
    (`_forms`). late: the least sort key that the state lacks. decided: what the last reading decided. held: when a
    later measurement without a level was made, and what it told of fire and tilt. entered, limits: as in Row, where
    something was entered. asks: the register has to be asked for that.
    """
    folded: dict[str, Any] = {"of": _check(row.key)}
    if row.stream_key not in ("", row.key):
        folded["stream"] = _short_key(row.stream_key)
    if row.location_key not in ("", row.key):
        folded["location"] = _short_key(row.location_key)
    if row.known:
        known: dict[str, dict[str, str | int]] = {}
        forms = _forms(row.report)
        for name, sent in sorted(row.known.items()):
            form = forms.get(name, ())
            said = form.index(sent.text) if sent.text in form else sent.text
            known.setdefault(_short_key(sent.key), {})[name] = said
        folded["known"] = known
    if row.late:
        folded["late"] = row.late
    if row.decided is not None:
        event = row.decided
        folded["decided"] = [event.at, event.before, event.after, event.stage, event.known_at]
        if event.by_operator:
            folded["decided"].append(True)
    if row.entered != NOTHING:
        folded["entered"] = row.entered.members()
    if row.limits != DEFAULT:
        folded["limits"] = [row.limits.full_from, row.limits.hysteresis]
    if row.asks:
        folded["asks"] = 1
    if row.held:
        folded["held"] = [iso(row.held.at), *row.held.events]
    return orjson.dumps(folded).decode()


def _unfolded(report: Report, key: str, item: Item, folded: dict[str, Any]) -> Row:
    """Return a row with its state, its trend, and what `_fold_text` wrote beside it."""
    is_whole = folded["of"] in (_check(key), key)
    if not is_whole:
        # Version 0.1, which knows nothing of the fold, wrote its newest report over it.
        still_true = ("known", "trend", "entered", "limits", "asks")
        folded = {"late": ALL, **{name: folded[name] for name in still_true if name in folded}}
    entered = of_members(folded["entered"]) if "entered" in folded else NOTHING
    limits = Limits(*folded["limits"]) if "limits" in folded else DEFAULT
    decided, held = folded.get("decided"), folded.get("held")
    return Row(
        report,
        key,
        _long_key(folded["stream"]) if "stream" in folded else key if report.stream else "",
        _long_key(folded["location"]) if "location" in folded else key if report.location else "",
        _known(folded["known"], _forms(report) if is_whole else {}) if "known" in folded else {},
        _trend_of_0_2_0(folded["trend"]) if "trend" in folded else _trend(item["trend"]["B"]),
        is_whole,
        state_of(item, rules_of(report.stream, limits, entered)),
        folded.get("late", ""),
        decided and Emptied(decided[0], decided[1], decided[2], Stage(decided[3]), *decided[4:]),
        held and Told(datetime.fromisoformat(held[0]), tuple(held[1:])),
        entered,
        limits,
        "asks" in folded,
    )


def _known(known: Mapping[str, Mapping[str, str | int]], forms: Mapping[str, Sequence[str]]) -> dict[str, Sent]:
    """Return what `_fold_text` wrote as known; "" for a text of these forms where version 0.1 has written over it."""
    return {
        name: Sent((forms[name][said] if name in forms else "") if isinstance(said, int) else said, _long_key(key))
        for key, all_said in known.items()
        for name, said in all_said.items()
    }


def _forms(report: Report) -> dict[str, tuple[str, ...]]:
    """Return how the stream and the location, which a row keeps anyhow, are written as attributes as a rule."""
    forms = dict[str, tuple[str, ...]]()
    if report.stream:
        forms["stream"] = (json.dumps(report.stream),)
    if report.location:
        lat, lon = report.location
        forms["location"] = (f'{{"lat":{lat},"lon":{lon}}}', f'{{"lat": {lat}, "lon": {lon}}}')
    return forms


def _check(key: str) -> str:
    return f"{zlib.crc32(key.encode()):08x}"


def _short_key(key: str) -> str:
    """Return a sort key in half of its length: 22 characters. Version 0.2.0 wrote them whole."""
    instant, _, digest = key.partition("#")
    micros = (datetime.fromisoformat(instant) - EPOCH) // _MICROSECOND
    return _in_base64(micros.to_bytes(8, signed=True) + bytes.fromhex(digest)).rstrip("=")


def _long_key(key: str) -> str:
    if "#" in key:
        return key
    data = a2b_base64(key + "==")
    instant = EPOCH + timedelta(microseconds=int.from_bytes(data[:8], signed=True))
    return f"{instant_key(instant)}#{data[8:].hex()}"


def _trend(text: str) -> int:
    return int.from_bytes(a2b_base64(text), signed=True)


def _trend_of_0_2_0(text: str) -> int:
    """Return the trend that version 0.2.0 kept: the newest slot in hex, `:`, and five hex digits a slot, or hyphens."""
    newest, _, samples = text.partition(":")
    return int(newest, 16) << 4 * len(samples) | int(samples.replace("-", "f"), 16) if text else NO_SAMPLES


def _ring(item: Item) -> int:
    """Return the trend that version 0.1 kept: twelve attributes, `t0` to `tb`, each slot * 128 + percent."""
    trend = NO_SAMPLES
    for value in sorted(int(value) for at in range(SLOTS) if (value := item.get(f"t{at:x}", {}).get("N"))):
        trend = sampled(trend, (value >> 7) * SLOT_S, value & 127)
    return trend
