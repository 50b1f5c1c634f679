"""The form by which an operator makes, changes or deletes a rule of alerts."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone

from reports.alert_rules import AlertRule
from reports.insight.alert_rule import Channel
from reports.insight.status import REPORTED
from reports.web.form_page import FormPage
from reports.web.unusable_channels import unusable_channels, warning_of


class RuleForm(forms.ModelForm):  # type: ignore[type-arg]
    """A rule of alerts, its statuses each a box to tick."""

    statuses = forms.MultipleChoiceField(
        choices=[(str(each), str(each)) for each in REPORTED],
        widget=forms.CheckboxSelectMultiple,
        label="A can is now",
    )

    class Meta:
        model = AlertRule
        fields = (
            "name", "is_on", "statuses", "stream", "can_id", "channel", "address", "quiet_from", "quiet_until",
            "hold_minutes", "pause_minutes", "most_an_hour",
        )  # fmt: skip
        widgets = {  # noqa: RUF012
            "quiet_from": forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
            "quiet_until": forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        }

    def clean_statuses(self) -> str:
        return ",".join(self.cleaned_data["statuses"])


class RuleFormView(FormPage):
    """Make a rule of alerts, or change or delete one."""

    permission_required = (
        "reports.add_alertrule", "reports.change_alertrule", "reports.delete_alertrule", "reports.view_alertrule",
    )  # fmt: skip
    form_class = RuleForm
    template_name = "reports/alert_rule.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.rule: AlertRule | None = None
        if self.has_permission() and "pk" in kwargs:
            self.rule = get_object_or_404(AlertRule, pk=kwargs["pk"])
        return super().dispatch(request, *args, **kwargs)

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "instance": self.rule}

    def get_initial(self) -> dict[str, Any]:
        return {"statuses": (self.rule or AlertRule()).statuses.split(",")}

    def get_context_data(self, **named: Any) -> dict[str, Any]:
        address = reverse("alert-rules", query={"format": "json"})
        return super().get_context_data(rule=self.rule, json_address=address, **named)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if self.rule and request.POST.get("delete"):
            name = self.rule.name
            self.rule.delete()
            messages.success(request, f"Deleted {name}.")
            return redirect("alert-rules")
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: RuleForm) -> HttpResponse:
        rule = form.instance
        had_secret = bool(rule.secret)
        if had_secret and rule.channel == Channel.WEBHOOK and self.request.POST.get("renew"):
            rule.new_secret()
            had_secret = False
        rule.save()
        messages.success(self.request, f"Saved {rule.name}. Workers know it within ten seconds.")
        if rule.channel == Channel.WEBHOOK and not had_secret:
            messages.warning(self.request, f"The secret of {rule.name}, shown this once: {rule.secret}")
        if warning := warning_of(rule.channel, unusable_channels(timezone.now())):
            messages.warning(self.request, warning)
        return redirect("alert-rules")
