"""How requests are authenticated: by `Authorization: Bearer trash_...`, or by a session."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.utils import timezone
from rest_framework import authentication
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.models import Token, digest


class TokenAuthentication(BaseAuthentication):
    """
    A key in the Authorization header, after `Bearer` (RFC 6750) or, as in DRF, `Token`.

    A request without that header causes no query. Every refusal has the same text, so that it does not reveal whether
    a key exists.
    """

    schemes = ("bearer", "token")

    def authenticate(self, request: Request) -> tuple[AbstractBaseUser, Token] | None:
        # DRF's function for this header builds a mapping of all headers first: 2 % of a can's answer.
        scheme, _, key = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() not in self.schemes:
            return None
        kept = digest(key.strip())
        token = Token.objects.select_related("user").filter(digest=kept).first()
        now = timezone.now()
        if token is None or not token.usable(now):
            raise AuthenticationFailed("This token is unknown, expired or revoked.")
        token.note_use(now)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="trashsite"'


class SessionAuthentication(authentication.SessionAuthentication):
    """DRF's own, only for requests with a session cookie: the others cause no query."""

    def authenticate(self, request: Request) -> tuple[AbstractBaseUser, None] | None:
        return super().authenticate(request) if settings.SESSION_COOKIE_NAME in request.COOKIES else None
