"""Who a request comes from, as far as a server can tell, and whose turn it is to give way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any, TypeVar

from django.conf import settings


@dataclass(slots=True, eq=False)
class Held:
    """Something that a visitor holds, since a moment of the monotonic clock."""

    visitor: str
    since_s: float


H = TypeVar("H", bound=Held)


def visitor_of(environ: Mapping[str, Any], *, prefix: int = 64) -> str:
    """
    Return the address of a request's visitor; of an IPv6 address its network, since one host has 2^64 of them.

    prefix: the length of that network's prefix in bits. Behind a Unix socket all are "unknown".
    """
    told = address_of(environ)
    if ":" not in told:
        return told
    return str(IPv6Network((int(IPv6Address(told)), prefix), strict=False))


def address_of(environ: Mapping[str, Any]) -> str:
    """Return the address that a request comes from, without port and zone, as the proxies in front say."""
    peer: str = environ.get("REMOTE_ADDR", "")
    if settings.TRASH_PROXIES:
        said = environ.get("HTTP_X_FORWARDED_FOR", "").split(",")
        # What is no address is none of what a proxy says: all who send it share the proxy's own.
        if address := _address_in(said[max(0, len(said) - settings.TRASH_PROXIES)].strip()):
            return address
    # The server itself says who is at the other end; an IPv4 address needs no look.
    return (_address_in(peer) or peer if ":" in peer else peer) or "unknown"


def _address_in(said: str) -> str | None:
    """Return the address in "192.0.2.7", "192.0.2.7:5678", "2001:db8::1", "fe80::1%eth0" or "[2001:db8::1]:443"."""
    bare = said[1:].partition("]")[0] if said.startswith("[") else said
    if bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address: IPv4Address | IPv6Address = ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    return str(address.ipv4_mapped or address if isinstance(address, IPv6Address) else address)


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
