"""Changes of a can's status, put on their way as alerts: before the messages that made them are deleted."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

from reports import queue
from reports.insight.change import Change
from reports.queue import QueueUnavailable

#: Alerts that this process remembers to have sent: of a change that is noticed again no second message is sent.
MOST_REMEMBERED = 4_096

_sent: OrderedDict[str, None] = OrderedDict()
_lock = threading.Lock()


def tell(changes: Sequence[Change]) -> None:
    """Send an alert of each change. Raises QueueUnavailable: then they have to be told again."""
    new = {each.id: each for each in changes}
    with _lock:
        new = {id_: each for id_, each in new.items() if id_ not in _sent}
    if not new:
        return
    queue.publish_alerts(list(new.values()))
    with _lock:
        _sent.update(dict.fromkeys(new))
        while len(_sent) > MOST_REMEMBERED:
            _sent.popitem(last=False)


def is_told(changes: Sequence[Change]) -> bool:
    """Send an alert of each change, and say whether that was possible."""
    try:
        tell(changes)
    except QueueUnavailable:
        return False
    return True


def forget() -> None:
    """Forget what was sent, as between tests."""
    _sent.clear()
