"""The form by which an operator adds or strikes an emptying of one can."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone

from reports import emptying_changes
from reports.can_id import is_can_id
from reports.emptying_changes import MAX_NOTE
from reports.store import StoreUnavailable
from reports.web.form_page import FormPage


class EmptyingForm(forms.Form):
    """What is entered, of which emptying, and why."""

    action = forms.ChoiceField(
        choices=[("add", "Add: it was emptied then"), ("strike", "Strike: it was not")],
        label="What is entered",
    )
    at = forms.CharField(
        max_length=40, label="When",
        help_text=f"{settings.TRASH_TIME_ZONE}; to strike: the first report after it, as the list says",
        widget=forms.TextInput(attrs={"placeholder": "2026-11-24 09:30", "autocomplete": "off"}),
    )  # fmt: skip
    note = forms.CharField(max_length=MAX_NOTE, label="Why", help_text="kept with the can's changes")

    def clean_at(self) -> Any:
        """Take ISO 8601, or a time as the list shows it; without a zone it is the site's."""
        found = self.cleaned_data["at"].strip().removesuffix(f" {settings.TRASH_TIME_ZONE}").replace(" ", "T", 1)
        try:
            at = datetime.fromisoformat(found)
            return timezone.make_aware(at, ZoneInfo(settings.TRASH_TIME_ZONE)) if timezone.is_naive(at) else at
        except (ValueError, OverflowError):
            raise ValidationError("It must be a time, like 2026-11-24 09:30.") from None


class EmptyingFormView(FormPage):
    """Add or strike an emptying of one can."""

    permission_required = ("reports.add_can", "reports.change_can")
    form_class = EmptyingForm
    template_name = "reports/emptying.html"

    def get_initial(self) -> dict[str, Any]:
        asked = self.request.GET
        return {"at": asked.get("at", "")[:40], "action": "strike" if asked.get("action") == "strike" else "add"}

    def get_context_data(self, **named: Any) -> dict[str, Any]:
        can_id = self.kwargs["can_id"]
        if not is_can_id(can_id):
            raise Http404
        address = reverse("emptyings", args=[can_id], query={"format": "json"})
        return super().get_context_data(can_id=can_id, json_address=address, **named)

    def form_valid(self, form: EmptyingForm) -> HttpResponse:
        can_id, sent = self.kwargs["can_id"], form.cleaned_data
        if not is_can_id(can_id):
            raise Http404
        enter = emptying_changes.add if sent["action"] == "add" else emptying_changes.strike
        try:
            enter(
                can_id, sent["at"], sent["note"],
                by=self.request.user.get_username(), via="form", now=timezone.now(),
            )  # fmt: skip
        except ValidationError as error:
            for name, said in error.message_dict.items():
                form.add_error(name if name in form.fields else None, said)
            return self.form_invalid(form)
        except StoreUnavailable:
            form.add_error(None, "DynamoDB does not answer: the reports of this can cannot be told just now.")
            return self.form_invalid(form)
        messages.success(self.request, "Entered. Status, forecast and counts follow within seconds.")
        return redirect("emptyings", can_id)
