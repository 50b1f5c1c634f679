"""Sessions that ended: Django leaves them in the database until somebody deletes them."""

from __future__ import annotations

import threading
import time
from importlib import import_module

from django.conf import settings

EVERY_S = 24 * 3600

_looking = threading.Lock()


class _Next:
    """When this process deletes them again, by the monotonic clock."""

    at_s = 0.0


def clear_expired() -> None:
    """
    Delete the sessions that ended, as `manage.py clearsessions` does; nothing where this process did so within a day.

    Called at each sign-in, which is when a session is added.
    """
    with _looking:
        now_s = time.monotonic()
        if now_s < _Next.at_s:
            return
        # Also if it fails: the next sign-in shall not wait for it again.
        _Next.at_s = now_s + EVERY_S
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
