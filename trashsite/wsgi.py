"""
The WSGI application that a web server serves: Django's, behind a door that takes in whole bodies only.

The server hands over a body that broke off as if that were all (granian 2.8.7), and of a form with level=70 a client
that went away may have sent level=7. And it waits for a slow body for ever, in a thread that nothing can interrupt: a
read in another thread, given up after a while, stopped the whole process.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable
from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING

from django.core.wsgi import get_wsgi_application

from trashsite.settings import require_secret_key

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trashsite.settings")  # noqa: TID251
require_secret_key()
_django = get_wsgi_application()
#: More than any form, import or array of reports of ours has; what each may have is Django's to say.
BODY_BYTES = 4 * 1024 * 1024
#: Of the server's 64 threads (deploy/web.py) so many at most wait for bodies: the others answer meanwhile.
_may_wait = threading.BoundedSemaphore(48)


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    length = environ.get("CONTENT_LENGTH") or ""
    if not length.isdecimal() or int(length) == 0:
        return _django(environ, start_response)
    size = int(length)
    if size > BODY_BYTES:
        return _refused(start_response, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request is too large.")
    if not _may_wait.acquire(blocking=False):
        return _refused(start_response, HTTPStatus.SERVICE_UNAVAILABLE, "Too many requests are on their way.")
    try:
        body = environ["wsgi.input"].read(size)
    finally:
        _may_wait.release()
    if len(body) < size:
        return _refused(start_response, HTTPStatus.BAD_REQUEST, "The request broke off.")
    environ["wsgi.input"] = BytesIO(body)
    return _django(environ, start_response)


def _refused(start_response: StartResponse, status: HTTPStatus, detail: str) -> Iterable[bytes]:
    problem = {"type": "about:blank", "title": status.phrase, "status": int(status), "detail": detail}
    headers = [("Content-Type", "application/problem+json"), ("Connection", "close")]
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append(("Retry-After", "5"))
    start_response(f"{int(status)} {status.phrase}", headers)
    return [json.dumps(problem).encode()]
