"""The form by which an operator enters the thresholds of a stream."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from reports.entered_models import StreamLimits
from reports.insight.status import FULL_FROM, HYSTERESIS
from reports.web.form_page import FormPage


class StreamForm(forms.Form):
    """From which level on cans of a stream are full, and until which they stay so."""

    stream = forms.CharField(max_length=64, help_text="paper, glass, plastic, ...")
    full_from = forms.IntegerField(min_value=1, max_value=100, label="Full from", help_text="percent")
    hysteresis = forms.IntegerField(
        min_value=0, max_value=50, label="Until",
        help_text="points below that from which a can is no longer full",
    )  # fmt: skip


class StreamFormView(FormPage):
    """Enter the thresholds of one stream."""

    permission_required = ("reports.add_can", "reports.change_can")
    form_class = StreamForm
    template_name = "reports/stream.html"

    def get_initial(self) -> dict[str, Any]:
        stream = self.request.GET.get("stream", "").strip().casefold()[:64].replace("\x00", "")
        known = StreamLimits.objects.filter(pk=stream).first()
        return {
            "stream": stream,
            "full_from": known.full_from if known else int(FULL_FROM),
            "hysteresis": known.hysteresis if known else int(HYSTERESIS),
        }

    def get_context_data(self, **named: Any) -> dict[str, Any]:
        return super().get_context_data(json_address=reverse("streams", query={"format": "json"}), **named)

    def form_valid(self, form: StreamForm) -> HttpResponse:
        try:
            StreamLimits.enter(**form.cleaned_data)
        except ValidationError as error:
            form.add_error(None, error)
            return self.form_invalid(form)
        messages.success(
            self.request, "Saved. Cans whose stream is entered follow within seconds, others with their next report."
        )
        return redirect("streams")
