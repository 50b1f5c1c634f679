"""What a request held is freed as soon as it is answered, not when Python next looks for garbage."""

from __future__ import annotations

import gc
import weakref
from datetime import UTC, datetime

import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.test import RequestFactory

from reports import store
from reports.report import Report
from trashsite.server.handler import Handler

# Not within a transaction: a request of a real server begins by closing what is in the midst of one.
pytestmark = [pytest.mark.usefixtures("shared_suffix"), pytest.mark.django_db(transaction=True)]


def test_a_cans_answer_leaves_nothing_for_the_search_for_garbage() -> None:
    now = datetime.now(UTC)
    store.put_reports([Report("freed", "50", now, now)], now=now)
    requests: list[weakref.ref[WSGIRequest]] = []

    class Seen(WSGIRequest):
        def __init__(self, environ: dict[str, object]) -> None:
            super().__init__(environ)
            requests.append(weakref.ref(self))

    handler = Handler()
    handler.request_class = Seen
    environ = RequestFactory()._base_environ(PATH_INFO="/reports/freed")
    gc.disable()
    try:
        response = handler.respond(environ)
        status, views = response.status_code, [each for each in requests if each() is not None]
        response.close()
        del response
        left = [each for each in requests if each() is not None]
    finally:
        gc.enable()

    assert (status, len(views), left) == (200, 1, [])
