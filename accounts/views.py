"""Signing in and out, by session."""

from __future__ import annotations

import logging
from typing import Any

from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse

from accounts import browsers, sessions
from reports.web import ingestion
from reports.web.access import visitor_of
from reports.web.problems import plain
from reports.web.rate_limits import SigningIn
from trashsite.server.visitors import address_of

log = logging.getLogger(__name__)


class SignInForm(AuthenticationForm):
    """Django's own, in the words of its fields."""

    error_messages = {  # noqa: RUF012
        **AuthenticationForm.error_messages,
        "invalid_login": "Name or password is wrong. Both are case-sensitive.",
    }


class SignInView(LoginView):
    """
    Django's own, with limits on how often one address may try, and how often one account is tried; the admin's leads
    here. What fails is logged, with the name of an account that there is: others may be passwords in the wrong field.

    Who is signed in sees it too: a viewer whom the admin sent here would be sent back for ever.
    """

    template_name = "accounts/login.html"
    authentication_form = SignInForm

    def get_context_data(self, **named: Any) -> dict[str, Any]:
        visitor = visitor_of(self.request)
        return super().get_context_data(visitor=visitor, ingestion=ingestion.told_to(visitor), **named)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        throttle = SigningIn()
        account = browsers.account_of(request.POST.get("username", ""))
        if not throttle.allow(request, browsers.counted_as(request, account)):
            wait_s = int(throttle.wait())
            log.warning("too many attempts to sign in from %s or for one account", address_of(request.META))
            refusal = plain(request, 429, f"Too many attempts to sign in. Try again in {wait_s} seconds.")
            refusal["Retry-After"] = str(wait_s)
            return refusal
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        sessions.clear_expired()
        answer = super().form_valid(form)
        browsers.remember(answer, browsers.account_of(form.cleaned_data["username"]))
        return answer

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        name = form.cleaned_data.get("username", "")
        known = bool(name) and User.objects.filter(username=name).exists()
        log.warning("sign-in failed for %s from %s", name if known else "no account", address_of(self.request.META))
        return super().form_invalid(form)
