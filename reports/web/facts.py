"""Pages that are no part of the API: the details of cans, edited in a form or imported from CSV."""

from __future__ import annotations

from copy import copy
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone

from reports.can_id import is_can_id
from reports.models import Can
from reports.web import facts_csv
from reports.web.admin_log import log_changes
from reports.web.form_page import FormPage
from reports.web.parsers import MAX_CSV_BYTES


class FactsForm(forms.ModelForm):  # type: ignore[type-arg]
    retired = forms.BooleanField(
        required=False,
        label="Out of service",
        help_text="Left out of lists and counts until it reports again. Its history stays.",
    )

    class Meta:
        model = Can
        fields = ("name", "address", "stream", "latitude", "longitude", "full_from", "hysteresis")

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.fields["retired"].initial = self.instance.retired_at is not None


RIGHTS = ("reports.add_can", "reports.change_can")


class FactsView(FormPage):
    """Edit the details of one can."""

    permission_required = RIGHTS
    form_class = FactsForm
    template_name = "reports/facts.html"

    def get_form_kwargs(self) -> dict[str, Any]:
        can_id = self.kwargs["can_id"]
        if not is_can_id(can_id):
            # No device has such an id, and PostgreSQL refuses to be asked for some.
            raise Http404
        self.known = Can.objects.filter(can_id=can_id).first()
        return super().get_form_kwargs() | {"instance": copy(self.known) or Can(can_id=can_id)}

    def get_context_data(self, **named: Any) -> dict[str, Any]:
        can_id = self.kwargs["can_id"]
        # Makes the form, for which the can is looked up.
        context = super().get_context_data(can_id=can_id, **named)
        address = reverse("can-facts", args=[can_id], query={"format": "json"}) if self.known else ""
        return {**context, "json_address": address}

    def form_valid(self, form: FactsForm) -> HttpResponse:
        can = form.instance
        try:
            can.clean_fields()
        except ValidationError as error:
            form.add_error(None, error)
            return self.form_invalid(form)
        retire = form.cleaned_data["retired"]
        if retire != (can.retired_at is not None):
            can.retired_at = timezone.now() if retire else None
        with transaction.atomic():
            can.save()
            log_changes(self.request.user, [(self.known, can)], "form")
        messages.success(self.request, "Saved.")
        return redirect("can", can.can_id)


class ImportForm(forms.Form):
    file = forms.FileField(required=False, label="CSV file")
    text = forms.CharField(required=False, widget=forms.Textarea, label="Or its text", strip=False)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if file := cleaned.get("file"):
            if file.size > MAX_CSV_BYTES:
                raise ValidationError("The file is too large. Import at most 2 MB at a time.")
            try:
                cleaned["text"] = file.read().decode("utf-8-sig")
            except UnicodeDecodeError:
                raise ValidationError("The file is not UTF-8. Save it as CSV UTF-8.") from None
        if not (cleaned.get("text") or "").strip():
            raise ValidationError("Choose a file, or paste its text.")
        return cleaned


class ImportView(FormPage):
    """Import details: first show what would change, then, on a second click, change it."""

    permission_required = RIGHTS
    form_class = ImportForm
    template_name = "reports/import.html"
    shown = 200

    def get_context_data(self, **named: Any) -> dict[str, Any]:
        return super().get_context_data(json_address=reverse("cans", query={"format": "json"}), **named)

    def form_valid(self, form: ImportForm) -> HttpResponse:
        text = form.cleaned_data["text"]
        plan = facts_csv.plan(text)
        if "apply" not in self.request.POST or plan.errors:
            preview = {
                "plan": plan,
                "text": text,
                "shown": plan.changes[: self.shown],
                "hidden": len(plan.changes) - self.shown,
                "new": sum(change.is_new for change in plan.changes),
            }
            return render(self.request, self.template_name, self.get_context_data(form=form, **preview))
        with transaction.atomic():
            log_changes(self.request.user, facts_csv.apply(plan.changes, timezone.now()), "CSV")
        messages.success(self.request, f"Imported the details of {len(plan.changes)} cans.")
        return redirect("fleet")
