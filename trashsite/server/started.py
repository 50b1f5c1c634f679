"""Tells the apps that this process serves the site: what runs beside requests begins then, and in no command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.dispatch import Signal, receiver

#: Sent once in each web process, when Django is ready.
web_started = Signal()
_started: list[bool] = []


@receiver(web_started)
def _note(**_: Any) -> None:
    _started.append(True)


def when_started(run: Callable[[], object]) -> None:
    """Call this once this process serves the site: at once where it does already."""
    if _started:
        run()
    else:
        web_started.connect(lambda **_: run(), weak=False)
