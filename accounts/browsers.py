"""
Browsers in which an account's owner has signed in before, known by a signed cookie.

Guesses for an account from elsewhere are limited together. An attacker could use that limit up, and so keep the owner
out, if attempts from these browsers were not counted apart.
Source: OWASP, "Slow Down Online Guessing Attacks with Device Cookies".
"""

from __future__ import annotations

import hashlib
import secrets
import unicodedata

from django.conf import settings
from django.http import HttpRequest, HttpResponse

COOKIE = "known_browser"
MAX_AGE_S = 365 * 24 * 3600


def account_of(name: str) -> str:
    """Return what stands for the account of this name, as the form reads it: short, and it tells no name."""
    return hashlib.sha256(unicodedata.normalize("NFKC", name.strip()).encode(errors="surrogatepass")).hexdigest()[:32]


def counted_as(request: HttpRequest, account: str) -> str:
    """Return under what attempts for this account are counted: the browser if it is known for it, else the account."""
    known: str = request.get_signed_cookie(COOKIE, default="", salt=COOKIE, max_age=MAX_AGE_S) or ""
    return known if known.partition(".")[0] == account else account


def remember(response: HttpResponse, account: str) -> None:
    """Have the browser that gets this answer known as one of the account's owner."""
    response.set_signed_cookie(
        COOKIE,
        f"{account}.{secrets.token_hex(8)}",
        salt=COOKIE,
        max_age=MAX_AGE_S,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
        path=settings.LOGIN_URL,
    )
