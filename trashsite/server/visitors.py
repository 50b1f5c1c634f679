"""Who a request comes from, as far as a server can tell, and whose turn it is to give way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network
from typing import Any, TypeVar

from django.conf import settings


@dataclass(slots=True, eq=False)
class Held:
    """Something that a visitor holds, since a moment of the monotonic clock."""

    visitor: str
    since_s: float


H = TypeVar("H", bound=Held)


def visitor_of(environ: Mapping[str, Any]) -> str:
    """Return the address of a request's visitor; of an IPv6 address its network, since one host has 2^64 of them."""
    address: str = environ["REMOTE_ADDR"]
    if settings.TRASH_PROXIES:
        said = environ.get("HTTP_X_FORWARDED_FOR", "").split(",")
        address = said[max(0, len(said) - settings.TRASH_PROXIES)].strip() or address
    if ":" not in address:
        return address
    try:
        number = IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    return str(number.ipv4_mapped or IPv6Network((int(number), 64), strict=False))


def first_to_give_way(held: Iterable[H]) -> list[H]:
    """
    Return what has to go first where not all can stay, in that order.

    Where one visitor holds more than half, only theirs; else everybody's. Of these what is held for longest goes first.
    So it is fair among addresses, and where all share one address, among connections.
    """
    everything = sorted(held, key=lambda each: each.since_s)
    counts = Counter(each.visitor for each in everything)
    for visitor, count in counts.most_common(1):
        if 2 * count > len(everything):
            return [each for each in everything if each.visitor == visitor]
    return everything
