"""
Mount a bought sensor in each can of the bench, and store what it sent before: `python -m bench.mount < uplinks`.

So the run updates sensors' states that exist, and cans that sensors have reported.
"""

import os
import sys
from datetime import UTC, datetime
from decimal import Decimal

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trashsite.settings")
    import django

    django.setup()
    from bench.messages import CANS
    from reports import queue, register_kinds, store, tasks
    from reports.formats import registered
    from reports.formats.mounting import Calibration, Mounting
    from simulator.uplinks import EMPTY_MM, FULL_MM, key_of
    from trashsite import aws
    from trashsite.sqs.delivery import Delivery

    calibration = Calibration(version=1, empty_mm=Decimal(EMPTY_MM), full_mm=Decimal(FULL_MM), blind_mm=None)
    since = datetime(2020, 1, 1, tzinfo=UTC)
    texts = {
        key_of(number): registered.to_text("", [Mounting(can_id=str(number), since=since, calibration=calibration)])
        for number in range(1, CANS + 1)
    }
    store.write_entries(register_kinds.SENSOR, list(texts), lambda _: texts, datetime.now(UTC))
    queue.publish(sys.stdin.read().splitlines())
    url = queue.url_of(queue.REPORTS)
    wanted = {
        "QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 0, "MessageSystemAttributeNames": ["All"],
    }  # fmt: skip
    while messages := aws.client("sqs").call("ReceiveMessage", wanted).get("Messages"):
        tasks.store_messages([Delivery.received(url, each) for each in messages])
