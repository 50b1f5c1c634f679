"""Signing in and out, by session."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse

from reports.web.access import SigningIn, visitor_of
from reports.web.problems import plain


class SignInView(LoginView):
    """
    Django's own, with a limit on how often one address may try; the admin's leads here.

    Who is signed in sees it too: a viewer whom the admin sent here would be sent back for ever.
    """

    template_name = "accounts/login.html"

    def get_context_data(self, **named: Any) -> dict[str, Any]:
        return super().get_context_data(visitor=visitor_of(self.request), **named)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        throttle = SigningIn()
        if not throttle.allow(request):
            wait_s = int(throttle.wait())
            refusal = plain(request, 429, f"Too many attempts to sign in. Try again in {wait_s} seconds.")
            refusal["Retry-After"] = str(wait_s)
            return refusal
        return super().post(request, *args, **kwargs)
