"""
Which model sent a frame, and its fields: decoded by the server, or by us.

Asked in this order: the model with which the sensor is registered here; what the server calls the model; the first
digits of the DevEUI; the server, where only one model comes through it; the decoded fields; the bytes, where exactly
one family reads them, or one whose model stands in the device's own name. Where a message cannot be read as the model
that is told, the next one is asked. What stays ambiguous is held: a guess would be a false level.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from enum import IntEnum
from functools import cache, lru_cache
from typing import Any

from reports.formats.models.family import Family, Model
from reports.formats.models.layout import Unreadable, accepts, decode
from reports.formats.models.loading import load
from reports.formats.readings import Frame, Tell


@dataclass(frozen=True, slots=True)
class Chosen:
    """
    A frame's model and fields.

    model: None where none was told. fields: empty where nothing could be read, then `reason` says why.
    ignored: why such a frame measures nothing, or empty.
    """

    model: Model | None
    fields: Mapping[str, Any]
    reason: str = ""
    ignored: str = ""


_NOTHING: Mapping[str, Any] = {}


def choose(frame: Frame, registered: str | None = None, tell: Tell | None = None) -> Chosen:
    """Return the model of a frame and its fields. registered: the model's name, where the sensor is known here."""
    unread: Chosen | None = None
    for model, why in _told(frame, registered):
        if tell:
            tell("model", f"{model.name} ({model.family.file}), {why}")
        found = _read(model, frame, tell)
        # What servers and digits say gives way where the message cannot be read so; what was registered here does not.
        if found.fields or found.ignored or model.name == registered:
            return found
        unread = unread or found
        if tell:
            tell("model", f"cannot be: {found.reason}")
    if frame.payload:
        found = _by_bytes(frame, tell)
        if found.model or found.ignored or unread is None:
            return found
    return unread or Chosen(None, _NOTHING, "no model is known that has these fields")


def _told(frame: Frame, registered: str | None) -> Iterator[tuple[Model, str]]:
    """Yield the models that are told for a frame, the surest first, each with how."""
    index = _index()
    if registered is not None and registered in index.models:
        yield index.models[registered], "as the sensor is registered"
    if frame.names and (model := _named(frame.names)) is not None:
        yield model, f"so named by the server: {', '.join(frame.names)}"
    if frame.key_kind == "dev_eui" and frame.key is not None:
        found = _longest(index.dev_eui, frame.key)
        if found is not None:
            yield found, f"by the first digits of the DevEUI {frame.key}"
    if frame.server in index.servers:
        yield index.servers[frame.server], f"the one that comes through {frame.server}"
    if frame.fields and (model := _by_fields(frame)) is not None:
        yield model, "by the decoded fields"


def _by_fields(frame: Frame) -> Model | None:
    assert frame.fields is not None
    names = frame.fields.keys()
    best: tuple[int, Family] | None = None
    families, is_maker_known = _families_of(frame)
    for family in families:
        for fields in (*family.told_fields, *(family.maker_fields if is_maker_known else ())):
            if names >= fields and (best is None or len(fields) > best[0]):
                best = len(fields), family
    return _model_of(best[1], frame.labels, names) if best else None


def _by_bytes(frame: Frame, tell: Tell | None) -> Chosen:
    families, is_maker_known = _families_of(frame)
    certainty = Certainty.MAKER if is_maker_known else Certainty.NONE
    # A model that stands in the device's own name is as good as told, where the bytes fit to it.
    found_all = (
        _decoded(family, frame, Certainty.MODEL if _labelled(family.models, frame.labels) else certainty)
        for family in families
    )
    fitting = [found for found in found_all if isinstance(found, Chosen)]
    if not fitting:
        return Chosen(None, _NOTHING, f"no model is known that has these {len(frame.payload)} bytes{_on(frame.port)}")
    if len(fitting) > 1:
        names = ", ".join(found.model.name for found in fitting if found.model)
        labelled = [found for found in fitting if found.model and _labelled(found.model.family.models, frame.labels)]
        if len(labelled) != 1:
            if all(found.ignored for found in fitting):
                return Chosen(None, _NOTHING, ignored=fitting[0].ignored)
            return Chosen(None, _NOTHING, f"the bytes fit several models ({names}): register the sensor with its model")
        fitting = labelled
    (found,) = fitting
    assert found.model is not None
    model = _model_of(found.model.family, frame.labels, found.fields.keys())
    if tell:
        tell("model", f"{model.name} ({model.family.file}), the only one that reads these bytes")
        tell("bytes", _shown(frame, found.fields))
    return Chosen(model, found.fields, ignored=found.ignored)


def _read(model: Model, frame: Frame, tell: Tell | None) -> Chosen:
    family = model.family
    given = frame.fields
    is_known = given is not None and not family.known.isdisjoint(given)
    reason = "" if is_known else "none of its fields is known"
    if frame.payload and (family.prefers_bytes or not is_known):
        found = _decoded(family, frame, Certainty.MODEL)
        if isinstance(found, Chosen):
            if tell:
                tell("bytes", _shown(frame, found.fields))
            return Chosen(model, found.fields, ignored=found.ignored)
        reason = _why_unread(family, frame, found)
        if tell:
            tell("bytes", f"not read: {reason}")
    if is_known:
        assert given is not None
        return Chosen(model, given)
    return Chosen(model, _NOTHING, reason)


class Certainty(IntEnum):
    """How much is known of a frame's model before its bytes are read."""

    NONE = 0
    MAKER = 1
    MODEL = 2


def _decoded(family: Family, frame: Frame, certainty: Certainty) -> Chosen | Unreadable | None:
    """Return the fields of the first layout that fits to the byte; why the last one does not, None where none may."""
    unreadable: Unreadable | None = None
    for layout in family.layouts:
        if not layout.is_telling and certainty is Certainty.NONE:
            continue
        # Who sends tags may be set to another port, and each tag is checked: the port tells only an unknown maker's.
        is_any_port = layout.kind == "tags" and certainty is not Certainty.NONE
        if accepts(layout, frame.payload, None if is_any_port else frame.port):
            try:
                fields = decode(layout, frame.payload, is_telling=certainty is not Certainty.MODEL)
                return Chosen(family.models[0], fields, ignored=layout.ignored)
            except Unreadable as error:
                unreadable = error
    return unreadable


def _why_unread(family: Family, frame: Frame, unreadable: Unreadable | None) -> str:
    name = family.models[0].name
    if unreadable is not None:
        return f"as a frame of {name}: {unreadable}"
    return f"no layout of {name} has {len(frame.payload)} bytes{_on(frame.port)}"


def _on(port: int | None) -> str:
    return "" if port is None else f" on port {port}"


def _shown(frame: Frame, fields: Mapping[str, Any]) -> str:
    shown = ", ".join(f"{name} = {value}" for name, value in list(fields.items())[:20])
    return f"{frame.payload.hex().upper()} is {shown[:600] or 'without a value'}"


# -- the index: what is looked up for each frame -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Index:
    models: dict[str, Model]
    dev_eui: dict[str, Model]
    makers: dict[str, list[Family]]
    servers: dict[str, Model]
    names: list[tuple[str, Model]]


@cache
def _index() -> _Index:
    families = load()
    models = [model for family in families for model in family.models]
    makers: dict[str, list[Family]] = {}
    for family in families:
        for maker in family.makers:
            makers.setdefault(maker, []).append(family)
    # The longest name first: "em400mud" stands within "em400mudnb" too.
    names = sorted(((name, model) for model in models for name in model.names), key=lambda pair: -len(pair[0]))
    return _Index(
        models={model.name: model for model in models},
        dev_eui={digits: model for model in models for digits in model.dev_eui},
        makers=makers,
        servers={server: model for model in models for server in model.servers},
        names=names,
    )


def _longest(by_digits: Mapping[str, Any], key: str) -> Any:
    for size in range(len(key), 5, -1):
        if (digits := key[:size]) in by_digits:
            return by_digits[digits]
    return None


def _families_of(frame: Frame) -> tuple[Iterable[Family], bool]:
    """Return the families of the DevEUI's maker, or all where the maker is not known; and whether it is."""
    found = _longest(_index().makers, frame.key) if frame.key_kind == "dev_eui" and frame.key else None
    return (load(), False) if found is None else (found, True)


@lru_cache(maxsize=1024)
def _named(names: tuple[str, ...]) -> Model | None:
    for name in names:
        plain = _plain(name)
        for known, model in _index().names:
            if known in plain:
                return model
    return None


def _model_of(family: Family, labels: tuple[str, ...], fields: Set[str]) -> Model:
    """Return the model of a family: the one in the device's own name, the one with such fields, or the first."""
    told = (model for model in family.models if any(fields >= each for each in model.told_fields))
    return _labelled(family.models, labels) or next(told, family.models[0])


def _labelled(models: Iterable[Model], labels: tuple[str, ...]) -> Model | None:
    if not labels:
        return None
    said = _plain(" ".join(labels))
    return next((model for model in models for name in model.names if name in said), None)


@lru_cache(maxsize=64)
def _plain(said: str) -> str:
    """Return what is said as the names of models are written: letters and digits in lower case."""
    return re.sub(r"[^a-z0-9]", "", said.lower())
