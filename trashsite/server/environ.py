"""A request as ASGI tells it, in the words of WSGI."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes

_SAME = {
    "SCRIPT_NAME": "",
    "SERVER_SOFTWARE": "granian",
    "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
}
#: Names of headers that came before; bounded, since clients choose them.
_names: dict[bytes, str] = {b"content-type": "CONTENT_TYPE", b"content-length": "CONTENT_LENGTH"}
_MOST_NAMES = 200


def environ_of(scope: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the environ of a request without a body.

    A header with `_` in its name is left out: it would be the same as one with `-`, which a proxy may have checked.
    Source: PEP 3333 (text is Latin-1, whatever the bytes mean); ASGI 3.0, HTTP connection scope.
    """
    raw: bytes = scope["raw_path"]
    environ = {
        **_SAME,
        "REQUEST_METHOD": scope["method"],
        "PATH_INFO": (unquote_to_bytes(raw) if b"%" in raw else raw).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": "HTTP/1.1" if scope["http_version"] == "1.1" else "HTTP/1.0",
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": BytesIO(),
    }
    environ["SERVER_NAME"], environ["SERVER_PORT"] = scope["server"]
    environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = scope["client"]
    for header, value in scope["headers"]:
        if b"_" in header:
            continue
        name = _names.get(header) or _name_of(header)
        text = value.decode("latin-1")
        if name in environ:
            text = f"{environ[name]}{';' if header == b'cookie' else ','}{text}"
        environ[name] = text
    return environ


def _name_of(header: bytes) -> str:
    name = "HTTP_" + header.decode("latin-1").upper().replace("-", "_")
    if len(_names) < _MOST_NAMES:
        _names[header] = name
    return name
