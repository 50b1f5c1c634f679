"""How a request shows who sent it, besides a session: `Authorization: Bearer trash_...`."""

from __future__ import annotations

from django.contrib.auth.models import AbstractBaseUser
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.models import Token, digest


class TokenAuthentication(BaseAuthentication):
    """
    A key in the Authorization header, after `Bearer` (RFC 6750) or DRF's own word, `Token`.

    A request without that header costs nothing here: no query. Every refusal reads alike, so that an
    expired key is not told from a wrong one.
    """

    schemes = (b"bearer", b"token")

    def authenticate(self, request: Request) -> tuple[AbstractBaseUser, Token] | None:
        scheme, _, key = get_authorization_header(request).partition(b" ")
        if scheme.lower() not in self.schemes:
            return None
        kept = digest(key.strip().decode("latin-1"))
        token = Token.objects.select_related("user").filter(digest=kept).first()
        now = timezone.now()
        if token is None or not token.usable(now):
            raise AuthenticationFailed("This token is unknown, expired or revoked.")
        token.note_use(now)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="trashsite"'
