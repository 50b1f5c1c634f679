"""Bodies that can never be stored, and what of each must be set aside: its exact text."""

from __future__ import annotations

import base64
import json
import pickle
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

#: A pickle that is ever loaded makes this file.
MARKER = Path(tempfile.gettempdir()) / "a-pickle-was-loaded"

CALL = "reports.record_reports"
#: Every task that a worker knows, ours and Celery's.
TASKS = (
    "reports.store_messages", "celery.accumulate", "celery.backend_cleanup", "celery.chain", "celery.chord",
    "celery.chord_unlock", "celery.chunks", "celery.group", "celery.map", "celery.starmap", "os.system", "",
)  # fmt: skip


class _Mark:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (MARKER,)


def poison() -> Iterator[tuple[str, str]]:
    """Yield each body of which nothing can be stored, and the field to blame, "" where several might be."""
    fields = dict.fromkeys([*_not_json(), *_wrong(), *_envelopes()], "")
    for field, bodies in (("level", _levels()), ("can_id", _can_ids()), ("measured_at", _times())):
        fields |= dict.fromkeys(bodies, field)
    yield from fields.items()


def mixed(key: str) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """
    Yield bodies of which something can be stored: the body, its good reports as an array, and its bad texts.

    key: begins the id of each can.
    """
    for at, bad in enumerate(
        ('{"can_id":"1","level":NaN}', "null", '{"can_id": "1"}', '"text"', '{"can_id":"1","level":"1","level":"2"}')
    ):
        good = [_good(f"{key}-{at}-{number % 40}", number) for number in range(499)]
        place = 124 * at
        yield f"[{','.join([*good[:place], bad, *good[place:]])}]", f"[{','.join(good)}]", (bad,)
    # A report at the same time a GeoJSON feature, whose `properties` kombu would planned_run for an envelope's.
    feature = '"type":"Feature","properties":{"delivery_tag":1},"geometry":{"type":"Point","coordinates":[14.4,50.1]}'
    zalgo = "c\u0336\u0360a\u0335\u0342n\u0338\u0311\u0356" + "\u0300" * 40
    for number, members in enumerate(
        (feature, '"headers":{"task":"celery.chord"}', f'"note":"{zalgo}"', '"body":null')
    ):
        report = f"{_good(f'{key}-odd', number)[:-1]},{members}}}"
        yield report, f"[{report}]", ()
    named = _good(f"{key}-{zalgo}", 1)
    yield named, f"[{named}]", ()
    pad = "x" * (1024 * 1024 // 500 - len(_good(f"{key}-large500", 500)) - len(',"pad":"",'))
    large = [_good(f"{key}-large{number}", number)[:-1] + f',"pad":"{pad}"}}' for number in range(500)]
    yield f"[{','.join(large)}]", f"[{','.join(large)}]", ()
    called = _good(f"{key}-called", 1)
    yield _envelope(CALL, [[json.loads(called)]]), f"[{called}]", ()


def _good(can_id: str, number: int) -> str:
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number)
    return f'{{"can_id":"{can_id}","level":"{number % 101}","measured_at":"{at.isoformat()}"}}'


def _not_json() -> Iterator[str]:
    yield from (
        "x", "{", "}", "[", "]", "nul", "True", "NaN", "Infinity", "-Infinity", "'", '"', '"\\', "{'can_id':1}",
        "{can_id:1}",
        '{"can_id":1,}', '{"can_id":1,"level":1}}', '{"can_id":1,"level":1} {}', '{"can_id":1,"level":1}\n[]',
        "[1,]", "01",
        "+1", "1.", ".5", "1e", "--1", "0x10", "\ufeff{}", "can_id=1&level=2", "<can id='1'/>", "eyJ", "eyJ!",
        "eyJhIjo=",
        "%7B%7D", "\u200b", "\u2028", "\U0001f5d1", "{\"can_id\":\"1\",\"level\":\"1\"", "/* */ {}", "// {}",
        "[" * 200_000, "[" * 5_000 + "]" * 5_000, '{"a":' * 3_000 + "1" + "}" * 3_000, '"' + "x" * 1_000,
        "9" * 5_000 + "x",
        "x" * (1024 * 1024),
    )  # fmt: skip


def _wrong() -> Iterator[str]:
    yield from ("null", "true", "0", '"text"', "{}", "[]", "[[]]" * 2, "1" * 5_000, "-" + "1" * 5_000, "1e400")
    yield f'{{"can_id":"1","level":"1","a":"{"x" * (1024 * 1024 - 40)}"}}'
    attributes = (
        '"a":NaN', '"a":[Infinity]', '"a":1,"a":2', '"a":{"b":1,"b":2}', '"a":"\\u0000"', '"a":"\\ud800"',
        '"\\udfff":1',
        '"a":[[[[[[[[1]]]]]]]]', '"a":{"b":{"c":{"d":{"e":{"f":{"g":{"h":{"i":1}}}}}}}}',
        '"a":"' + "x" * 17_000 + '"',
        '"can_id":"2"', '"level":"2"', '"level":101', '"a":{"b":[{"c":NaN}]}',
    )  # fmt: skip
    for attribute in attributes:
        yield f'{{"can_id":"1","level":"1",{attribute}}}'
    good = {"can_id": "1", "level": "1"}
    for name in good:
        yield json.dumps({key: value for key, value in good.items() if key != name})
        yield json.dumps({name.upper() if key == name else key: value for key, value in good.items()})
    yield "[" + ",".join(['{"can_id":"1","level":"1"}'] * 501) + "]"
    yield json.dumps({"type": "Feature", "properties": {"can_id": "1", "level": "1"}, "geometry": None})
    yield json.dumps({"type": "FeatureCollection", "features": [{"properties": {"can_id": "1"}}]})


def _levels() -> Iterator[str]:
    levels = (
        "NaN", "Infinity", "-Infinity", "1e400", "-1e400", "-1", "-0.0001", "100.0001", "101", "1e3", "null",
        "true", "[]",
        "{}", '""', '" 5"', '"5 "', '"5%"', '"0x5"', '"+5"', '"05"', '".5"', '"5."', '"1e"', '"NaN"', '"five"',
        '"5,0"', '"\u0665"',
        '"1_0"', '"5\u0336\u0335\u0311"', "9" * 5_000, "0." + "1" * 40, f'"{"1" * 33}"', '"1e99999999999999999999"',
        '"-1e-400"', '"101"', '"-1"',
    )  # fmt: skip
    for level in levels:
        yield f'{{"can_id":"1","level":{level}}}'


def _can_ids() -> Iterator[str]:
    ids = (
        "null", "true", "1.5", "1e3", "[]", "{}", '""', '"   "', '"."', '".."', '"/"', '"a/b"', '"../x"',
        '"a\\u0000b"',
        '"a\\u0007b"', '"a\\nb"', '"a\\u001bb"', '"a\\u0085b"', '"\\ud800"', '"a\\udc00b"', f'"{"x" * 129}"',
        f'"{"x" * 4096}"',
        '"a\\u2028b"', "NaN",
    )  # fmt: skip
    for can_id in ids:
        yield f'{{"can_id":{can_id},"level":"1"}}'


def _times() -> Iterator[str]:
    times = (
        "true", "[]", "{}", '""', '"now"', '"yesterday"', '"2026-11-24"', '"2026-11-24T09:30:00"',
        '"2026-13-01T00:00:00Z"',
        '"2026-11-24T25:00:00Z"', '"9999-12-31T23:59:59Z"', "4102444800", "4102444800000", "1e300", "-1e300",
        "1e99999999999",
        '"0001-01-01T00:00:00+14:00"', '"0001-01-01T00:00:00-11:00"', '"1999-12-31T23:59:59Z"', "0",
        '"24/11/2026 09:30"', f'"{"2" * 65}"', "NaN", '"\\u0000"',
    )  # fmt: skip
    for instant in times:
        yield f'{{"can_id":"1","level":"1","measured_at":{instant}}}'


def _envelopes() -> Iterator[str]:
    reports = [{"can_id": "1", "level": "1"}]
    for task in TASKS:
        yield _envelope(task, [reports])
        yield base64.b64encode(_envelope(task, [reports]).encode()).decode()
    for header, value in (
        ("eta", "2026-11-24T09:30:00Z"), ("expires", "2030-01-01T00:00:00Z"), ("expires", 5), ("eta", 1),
        ("compression", "zlib"), ("compression", "nonsense"),
    ):  # fmt: skip
        yield _envelope(CALL, [reports], headers={header: value})
    signature = {"task": "reports.store_messages", "args": [], "kwargs": {}, "options": {"queue": "elsewhere"}}
    for name in ("callbacks", "errbacks", "chain", "chord"):
        yield _envelope(CALL, [reports], embed={name: [signature]})
    for args, kwargs in (
        ([], {}), ([1], {}), ([reports, reports], {}), ([reports], {"reports": reports}), ([], {"other": reports}),
        ([None], {}),
        ("text", {}), ([{}], {}), ([reports], []), (None, None),
    ):  # fmt: skip
        yield _envelope(CALL, args, kwargs=kwargs)
    pickled = base64.b64encode(pickle.dumps(_Mark())).decode()
    yield _envelope(CALL, [reports], body=pickled, content_type="application/x-python-serialize")
    yield _envelope(CALL, [reports], body=pickled)
    yield _envelope(CALL, [reports], body="not base64!")
    yield _envelope(CALL, [reports], body="")
    yield pickled
    for odd in (
        {"properties": 1}, {"properties": None}, {"properties": []}, {"properties": {"delivery_info": "text"}},
        {"headers": []},
        {"headers": 1, "properties": {}}, {"body": 5}, {"body": None, "properties": {}}, {"__type__": "nonsense",
        "__value__": 1},
        {"__type__": "uuid", "__value__": {"hex": "x"}}, {"__type__": "decimal", "__value__": "x"},
        {"properties": {"body_encoding": 7}},
        {"properties": {"body_encoding": "rot13"}, "body": "x", "headers": {"task": CALL}},
        {"headers": {"task": [CALL]}},
        {"headers": {"task": CALL}}, {"headers": {"task": CALL}, "body": 5, "properties": {}}, {"task": CALL,
        "id": "1", "args": [reports]},
        {"task": "reports.store_messages", "id": "1", "args": [[]], "kwargs": {}}, {"headers": {"task": CALL,
        "id": None}, "properties": None},
    ):  # fmt: skip
        yield json.dumps(odd)


def _envelope(
    task: str, args: Any, *, kwargs: Any = None, embed: Any = None, headers: dict[str, Any] | None = None,
    body: str | None = None, content_type: str = "application/json",
) -> str:  # fmt: skip
    said = json.dumps([args, {} if kwargs is None and args is not None else kwargs, embed or {}])
    return json.dumps(
        {
            "body": base64.b64encode(said.encode()).decode() if body is None else body,
            "content-encoding": "utf-8",
            "content-type": content_type,
            "headers": {"lang": "py", "task": task, "id": "0a7b", "root_id": "0a7b", **(headers or {})},
            "properties": {
                "body_encoding": "base64",
                "delivery_info": {},
                "delivery_tag": "1",
                "correlation_id": "0a7b",
            },
        }
    )
