"""How requests are authenticated: by `Authorization: Bearer trash_...`, or by a session."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.utils import timezone
from rest_framework import authentication
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, Throttled
from rest_framework.request import Request

from accounts.models import Token, digest
from reports.web.rate_limits import WrongTokens
from trashsite.server.visitors import address_of

#: Tokens of which it is remembered that they were right.
MOST_KNOWN = 1000

log = logging.getLogger(__name__)
_noting = threading.Lock()
#: Digests of keys that were right when they were last shown. Who used one last is last.
_known: OrderedDict[str, None] = OrderedDict()


class TokenAuthentication(BaseAuthentication):
    """
    A key in the Authorization header, after `Bearer` (RFC 6750) or, as in DRF, `Token`.

    A request without that header causes no query. Every refusal has the same text, so that it does not reveal whether
    a key exists. An address that showed too many wrong keys is refused before the database is asked, but for keys
    that were right before: others may come from the same address.
    """

    schemes = ("bearer", "token")

    def authenticate(self, request: Request) -> tuple[AbstractBaseUser, Token] | None:
        # DRF's function for this header builds a mapping of all headers first: 2 % of a can's answer.
        scheme, _, key = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() not in self.schemes:
            return None
        kept = digest(key.strip())
        wrong = WrongTokens()
        if kept not in _known and not wrong.allow(request):
            raise Throttled(wrong.wait())
        token = Token.objects.select_related("user").filter(digest=kept).first()
        now = timezone.now()
        if token is None or not token.usable(now):
            forget(kept)
            wrong.note(request)
            log.warning("a token was refused: unknown, expired or revoked; it came from %s", address_of(request.META))
            raise AuthenticationFailed("This token is unknown, expired or revoked.")
        token.note_use(now)
        _remember(kept)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="trashsite"'


def _remember(kept: str) -> None:
    with _noting:
        _known[kept] = None
        _known.move_to_end(kept)
        if len(_known) > MOST_KNOWN:
            _known.popitem(last=False)


def forget(kept: str) -> None:
    """Forget that the key of this digest was right."""
    with _noting:
        _known.pop(kept, None)


class SessionAuthentication(authentication.SessionAuthentication):
    """DRF's own, only for requests with a session cookie: the others cause no query."""

    def authenticate(self, request: Request) -> tuple[AbstractBaseUser, None] | None:
        return super().authenticate(request) if settings.SESSION_COOKIE_NAME in request.COOKIES else None
