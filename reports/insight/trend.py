"""
A can's trend: of each two hours of the last day the last level, as one number, as its row keeps it.

The number's upper bits say which two hours are the newest, counted from the epoch; behind them are twelve samples of 20
bits, the oldest first. A sample is the second within its two hours * 128 + whole percent.
"""

from __future__ import annotations

#: How many spans of time, of how many seconds each.
SLOTS, SLOT_S = 12, 7200
#: Bits of a sample, and what stands for none: no two hours have so many seconds.
_SAMPLE, _NONE = 20, (1 << 20) - 1
_BITS = SLOTS * _SAMPLE
#: No sample at all.
EMPTY = (1 << _BITS) - 1
#: Bytes that hold any trend, one of before the epoch too.
SIZE = 4 + _BITS // 8


def sampled(trend: int, second: int, percent: int) -> int:
    """
    Return a trend with a level in its place: of each two hours the last, of one second the fullest.

    second: of the measurement, since the epoch. percent: 0-100. What is older than the trend changes nothing.
    """
    slot, within = divmod(second, SLOT_S)
    newest = slot if trend == EMPTY else trend >> _BITS
    if slot >= newest:
        moved = min(slot - newest, SLOTS) * _SAMPLE
        trend = slot << _BITS | ((trend << moved | (1 << moved) - 1) & EMPTY)
        newest = slot
    at = (newest - slot) * _SAMPLE
    sample, before = within << 7 | percent, trend >> at & _NONE
    if at >= _BITS or _NONE != before >= sample:
        return trend
    return trend + (sample - before << at)


def levels(trend: int) -> tuple[int | None, ...]:
    """Return the whole percents, one in two hours, oldest first; None where there is none, () where there is no one."""
    if trend == EMPTY:
        return ()
    samples = [trend >> at & _NONE for at in range(_BITS - _SAMPLE, -1, -_SAMPLE)]
    return tuple(None if sample == _NONE else sample & 127 for sample in samples)
