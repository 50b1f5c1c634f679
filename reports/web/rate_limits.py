"""
How often a client may ask: rate limits, counted in fixed windows of the clock.

Each answer tells how much of its limit is left. TRASH_RATES has the limits, by scope.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.conf import settings
from django.http import HttpRequest
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from trashsite.server.visitors import visitor_of

if TYPE_CHECKING:  # The framework's views import this module, by its settings.
    from rest_framework.views import APIView

SECONDS = {"s": 1, "min": 60, "h": 3600}
#: Clients remembered at once, about 2 MB; of more, who was silent longest begins anew.
MOST_CLIENTS = 10_000

_counting = threading.Lock()
#: By scope and client: the window of its last request, and its requests in it. Who asked last is last.
_used: OrderedDict[tuple[str, str], tuple[int, int]] = OrderedDict()


@dataclass(frozen=True, slots=True)
class RateLimit:
    """What a client may still do: `left` of `limit` requests until `reset_s` seconds from now."""

    limit: int
    left: int
    reset_s: int


class Window(BaseThrottle):
    """
    At most so many requests in each window of the clock, by user, else by address.

    The address is what TRASH_PROXIES says, so a client cannot change it with X-Forwarded-For. Each web
    process counts for itself.
    """

    scope: str

    reset_s = 0

    def allow_request(self, request: Request, view: APIView) -> bool:
        user = request.user
        who = f"user-{user.pk}" if user and user.is_authenticated else visitor_of(request.META)
        rate_limit = self.count(who, time.time())
        if rate_limit is None:
            return True
        # The views put it into the headers.
        request.rate_limit = rate_limit  # type: ignore[attr-defined]
        return rate_limit.left >= 0

    def count(self, who: str, now_s: float, *, times: int = 1, cost: int = 1) -> RateLimit | None:
        """
        Count one request of this client; below 0 left it is one too many. None: there is no limit.

        times: how many times the rate of the settings holds. cost: 0 counts nothing and tells what is left.
        """
        rate = settings.TRASH_RATES[self.scope]
        if not rate:
            return None
        limit, _, unit = rate.partition("/")
        window_s = SECONDS[unit]
        self.reset_s = window_s - int(now_s % window_s)
        window, key = int(now_s // window_s), (self.scope, who)
        with _counting:
            last, used = _used.get(key, (window, 0))
            used = used + cost if last == window else cost
            if used:
                _used[key] = window, used
                _used.move_to_end(key)
            if len(_used) > MOST_CLIENTS:
                _used.popitem(last=False)
        most = times * int(limit)
        return RateLimit(most, most - used, self.reset_s)

    def wait(self) -> float:
        return self.reset_s


class Reading(Window):
    scope = "read"

    def allow_request(self, request: Request, view: APIView) -> bool:
        return request.method not in SAFE_METHODS or super().allow_request(request, view)


class Posting(Window):
    scope = "post"

    def allow_request(self, request: Request, view: APIView) -> bool:
        return request.method in SAFE_METHODS or super().allow_request(request, view)


class MakingTokens(Window):
    """New API tokens of one user: as many as attempts to sign in."""

    scope = "login"

    def allow_request(self, request: Request, view: APIView) -> bool:
        return request.method != "POST" or super().allow_request(request, view)


class SigningIn(Window):
    """
    Attempts to sign in: so many from one address, and three times as many for one account, from wherever.

    Whoever has an IPv6 address may have 2^16 networks of it, so here a network of 48 bits is one address. Three times:
    no single address keeps an account's owner out.
    """

    scope = "login"
    for_account = 3
    prefix = 48

    def allow(self, request: HttpRequest, account: str) -> bool:
        """Count an attempt to sign in to this account; what its address may not do is not the account's attempt."""
        now_s = time.time()
        by_address = self.count(visitor_of(request.META, prefix=self.prefix), now_s)
        if by_address is not None and by_address.left < 0:
            return False
        by_account = self.count(f"account {account}", now_s, times=self.for_account)
        return by_account is None or by_account.left >= 0


class WrongTokens(Window):
    """Keys that are none, by address: as many as attempts to sign in."""

    scope = "login"
    prefix = SigningIn.prefix

    def allow(self, request: Request) -> bool:
        """Say whether this address may show another key that may be wrong; counts nothing."""
        rate_limit = self.count(self._who(request), time.time(), cost=0)
        return rate_limit is None or rate_limit.left > 0

    def note(self, request: Request) -> None:
        """Count a wrong key."""
        self.count(self._who(request), time.time())

    def _who(self, request: Request) -> str:
        return f"token {visitor_of(request.META, prefix=self.prefix)}"


class WrongSecrets(WrongTokens):
    """Secrets of sources of uplinks that are none, by address: as many as attempts to sign in."""

    def _who(self, request: Request) -> str:
        return f"secret {visitor_of(request.META, prefix=self.prefix)}"


class Uplinking(Window):
    """Uplinks of one source: its server sends for all its sensors, from few addresses."""

    scope = "uplink"


def forget() -> None:
    """Forget who asked how often."""
    _used.clear()
