"""Mount a bought sensor in each can of the bench, as workers find it in the register: `python -m bench.mount`."""

import os
from datetime import UTC, datetime
from decimal import Decimal

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trashsite.settings")
    from bench.messages import CANS
    from reports import register_kinds, store
    from reports.formats import registered
    from reports.formats.mounting import Calibration, Mounting
    from simulator.uplinks import EMPTY_MM, FULL_MM, key_of

    calibration = Calibration(version=1, empty_mm=Decimal(EMPTY_MM), full_mm=Decimal(FULL_MM), blind_mm=None)
    since = datetime(2020, 1, 1, tzinfo=UTC)
    texts = {
        key_of(number): registered.to_text("", [Mounting(can_id=str(number), since=since, calibration=calibration)])
        for number in range(1, CANS + 1)
    }
    store.write_entries(register_kinds.SENSOR, list(texts), lambda _: texts, datetime.now(UTC))
