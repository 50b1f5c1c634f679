"""The WSGI application that a web server serves."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from typing import IO, TYPE_CHECKING

from django.core.wsgi import get_wsgi_application

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trashsite.settings")  # noqa: TID251
_django = get_wsgi_application()
#: Half of the server's threads at most wait for bodies: a client may never send all of one.
_may_read = threading.BoundedSemaphore(16)


class Body:
    """
    A request's body that raises OSError, as Django expects, where it broke off or too many others are on their way.

    The server hands over what came as if that were all (granian 2.8.7), and of a form with level=70 a client that
    went away may have sent level=7. Django never asks for more than Content-Length promised.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream
        self.readline = stream.readline

    def read(self, size: int) -> bytes:
        if not _may_read.acquire(blocking=False):
            raise OSError("too many requests are on their way")
        try:
            data = self.stream.read(size)
        finally:
            _may_read.release()
        if len(data) < size:
            raise OSError("the request broke off")
        return data


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    if environ.get("CONTENT_LENGTH"):
        environ["wsgi.input"] = Body(environ["wsgi.input"])
    return _django(environ, start_response)
