"""A page for staff: paste a message, and see step by step what it becomes. Nothing is sent or stored."""

from __future__ import annotations

from django import forms
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone

from reports import formats
from reports.formats.verdicts import sentence
from reports.web.form_page import FormPage

#: Characters of a message: as many as POST /uplinks takes.
MAX_CHARACTERS = 256 * 1024
#: Steps that are shown; a message of 500 readings has thousands.
MOST_STEPS = 200


class MessageForm(forms.Form):
    message = forms.CharField(widget=forms.Textarea, max_length=MAX_CHARACTERS, strip=False)


class ExplainView(FormPage):
    """What a message becomes, as `manage.py uplink` tells it."""

    permission_required = ("accounts.see_pipeline",)
    form_class = MessageForm
    template_name = "reports/explain.html"

    def form_valid(self, form: MessageForm) -> HttpResponse:
        steps: list[tuple[str, str]] = []
        elements = formats.parse(
            form.cleaned_data["message"], timezone.now(), tell=lambda step, said: steps.append((step, said))
        )
        about = {
            "steps": steps[:MOST_STEPS],
            "hidden": max(0, len(steps) - MOST_STEPS),
            "verdicts": [sentence(each) for each in elements[:MOST_STEPS]],
        }
        return render(self.request, self.template_name, self.get_context_data(form=form, **about))
