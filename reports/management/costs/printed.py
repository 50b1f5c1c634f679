"""A bill as a table for people, and as JSON members."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from reports.management.costs.bill import HOURS, NOT_COUNTED, Fleet, Line
from reports.management.costs.measured import Measured
from reports.management.costs.prices import TABLE, Prices


def _million(fleet: Fleet, lines: Sequence[Line]) -> float:
    """Return what a million further reports cost."""
    return sum(line.usd for line in lines if line.per_report) / fleet.reports * 1e6


def _by_service(lines: Sequence[Line]) -> dict[str, list[Line]]:
    ordered = sorted(lines, key=lambda line: line.service)
    services = {service: list(group) for service, group in groupby(ordered, key=lambda line: line.service)}
    return dict(sorted(services.items(), key=lambda item: -sum(line.usd for line in item[1])))


def as_text(fleet: Fleet, measured: Measured, prices: Prices, lines: Sequence[Line]) -> Iterator[str]:
    """Yield the bill's lines: services with the largest first, and what they were computed from."""
    yield (
        f"{fleet.cans:,} cans, one report each every {fleet.every_s:,} s: {_rate(fleet.per_s)} reports a second, "
        f"{fleet.reports:,.0f} in a month of {HOURS} hours"
    )
    yield ""
    for service, own in _by_service(lines).items():
        yield f"{service:<74}{sum(line.usd for line in own):>12,.2f}"
        for line in own:
            yield f"  {line.what:<50}{line.quantity:>10,.2f} {line.unit:<19}{line.usd:>10,.2f}"
    yield f"{'USD a month':<74}{sum(line.usd for line in lines):>12,.2f}"
    yield f"{'USD a million reports more':<74}{_million(fleet, lines):>12,.2f}"
    yield ""
    yield f"Prices: AWS's list, {prices}; read them anew before you rely on them (see {TABLE.name})."
    yield (
        f"Measured: {measured.date}, commit {measured.commit}, by `make bench`; units of {measured.replayed:,} "
        "readings replayed in order."
    )
    yield f"Not counted: {NOT_COUNTED}."


def as_json(fleet: Fleet, measured: Measured, prices: Prices, lines: Sequence[Line]) -> dict[str, Any]:
    """Return the bill as JSON members, amounts in USD."""
    return {
        "cans": fleet.cans,
        "every_s": fleet.every_s,
        "reports_per_s": fleet.per_s,
        "reports_per_month": fleet.reports,
        "region": prices.region,
        "prices_as_of": list(prices.as_of),
        "measured": {"date": measured.date, "commit": measured.commit, "replayed": measured.replayed},
        "services": {
            service: {
                "usd": sum(line.usd for line in own),
                "lines": [
                    {"what": line.what, "quantity": line.quantity, "unit": line.unit, "usd": line.usd} for line in own
                ],
            }
            for service, own in _by_service(lines).items()
        },
        "usd_per_month": sum(line.usd for line in lines),
        "usd_per_million_reports": _million(fleet, lines),
        "not_counted": NOT_COUNTED,
    }


def _rate(per_s: float) -> str:
    """Return a rate with three digits, or whole: `.3g` alone would write 10,000 as 1e+04."""
    return f"{per_s:,.0f}" if per_s >= 100 else f"{per_s:.3g}"
