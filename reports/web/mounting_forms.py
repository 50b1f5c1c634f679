"""Forms for operators: mount a sensor in a can, and change a mounting and its calibration."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from copy import copy
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.contrib.admin.models import ADDITION, CHANGE
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone

from reports.mounting_changes import CALIBRATION, change, mount, take_present_as_empty
from reports.report import iso
from reports.sensor_models import Mounting, Sensor, canonical_key, model_names
from reports.store import StoreUnavailable
from reports.web.admin_log import log_action
from reports.web.form_page import FormPage
from reports.web.kept_readings import first_without_can, told_of
from reports.web.sensor_values import shown, shown_waiting


class CalibrationForm(forms.ModelForm):  # type: ignore[type-arg]
    """Begin and end of a mounting, and what distances mean in its can."""

    class Meta:
        model = Mounting
        fields = ("since", "until", *CALIBRATION)
        labels: ClassVar[dict[str, str]] = {"since": "Mounted at", "until": "Taken out at"}
        help_texts: ClassVar[dict[str, str]] = {"since": "UTC", "until": "UTC; empty: still there"}

    def clean(self) -> dict[str, Any]:
        # The model's own rules follow in `change`, with the sensor.
        return super().clean() or {}


class MountForm(CalibrationForm):
    """Where a sensor is from an instant on; its model only where its messages do not tell it."""

    key = forms.CharField(max_length=128, help_text="DevEUI, IMEI, or as its messages name it")
    channel = forms.CharField(max_length=64, required=False, help_text="of a sensor that measures several cans")
    model = forms.ChoiceField(required=False, help_text="empty: as registered, else as its messages tell")
    can_id = forms.CharField(max_length=128, label="Can")
    since = forms.DateTimeField(
        required=False, label="Mounted at", help_text="UTC; empty: now, and nothing that it measured before is stored"
    )

    field_order = ("key", "can_id", "since", "channel", "model", *CALIBRATION)

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        del self.fields["until"]
        self.fields["model"].choices = [("", "---------"), *((name, name) for name in model_names())]  # type: ignore[attr-defined]


class MountView(FormPage):
    """Mount a sensor: one that waits, or any other."""

    permission_required = ("reports.add_mounting", "reports.change_mounting")
    form_class = MountForm
    template_name = "reports/mount.html"

    def get_initial(self) -> dict[str, Any]:
        key = canonical_key(self.request.GET.get("key", "")[:128])
        since = None
        if key and self.request.method == "GET":
            # The page says where this is not told.
            with suppress(StoreUnavailable):
                since = first_without_can(key, timezone.now())
        return {"key": key, "can_id": self.request.GET.get("can", "")[:128], "since": since, "holds_tilted": True}

    def get_context_data(self, **named: Any) -> dict[str, Any]:
        key = canonical_key(self.request.GET.get("key", "")[:128])
        waits: Any = None
        is_told = True
        if key:
            try:
                waits = next((each for each in shown_waiting(timezone.now()) if each.waiting.key == key), None)
            except StoreUnavailable:
                is_told = False
        address = reverse("waiting-sensors", query={"format": "json"})
        about = {"waits": waits, "is_told": is_told, "json_address": address}
        return super().get_context_data(**about, **named)

    def form_valid(self, form: MountForm) -> HttpResponse:
        cleaned = form.cleaned_data
        try:
            with transaction.atomic():
                mounting, is_new = mount(
                    cleaned["key"],
                    cleaned["can_id"],
                    cleaned["since"],
                    timezone.now(),
                    channel=cleaned["channel"],
                    model=cleaned["model"] or None,
                    **{name: cleaned[name] for name in CALIBRATION},
                )
                log_action(self.request.user, mounting, ADDITION if is_new else CHANGE, "by form")
        except ValidationError as error:
            return _refused(self, form, error)
        since = iso(mounting.since.replace(microsecond=0))
        known = "" if is_new else ", as before"
        _tell(self.request, mounting, f"{mounting.sensor} is mounted in can {mounting.can_id} since {since}{known}.")
        return redirect("sensors")


class MountingFormView(FormPage):
    """Change one mounting: its begin, its end, and the calibration of its can."""

    permission_required = ("reports.change_mounting",)
    form_class = CalibrationForm
    template_name = "reports/mounting.html"

    def get_form_kwargs(self) -> dict[str, Any]:
        self.mounting = get_object_or_404(Mounting.objects.select_related("sensor"), pk=self.kwargs["pk"])
        # The form writes into its instance what was typed, and the page tells what is stored.
        return super().get_form_kwargs() | {"instance": copy(self.mounting)}

    def get_context_data(self, **named: Any) -> dict[str, Any]:
        context = super().get_context_data(**named)
        state, is_told = None, True
        try:
            (found,) = shown(Sensor.objects.filter(pk=self.mounting.sensor_id).prefetch_related("mountings"))
            state = found.state
        except StoreUnavailable:
            is_told = False
        address = reverse("sensor", args=[self.mounting.sensor.key], query={"format": "json"})
        return {
            **context, "mounting": self.mounting, "state": state, "is_told": is_told, "json_address": address,
        }  # fmt: skip

    def post(self, request: HttpRequest, *args: Any, **named: Any) -> HttpResponse:
        if "empty_now" not in request.POST:
            return super().post(request, *args, **named)
        # The other button: what else was typed is left as it was.
        form = self.get_form()
        return self._saved(form, take_present_as_empty)

    def form_valid(self, form: CalibrationForm) -> HttpResponse:
        # Only what was changed: the page shows instants without the fractions of their seconds.
        changed = {name: form.cleaned_data[name] for name in form.changed_data}
        return self._saved(form, lambda mounting: change(mounting, changed))

    def _saved(self, form: Any, save: Callable[[Mounting], None]) -> HttpResponse:
        mounting = copy(self.mounting)
        try:
            with transaction.atomic():
                save(mounting)
                log_action(self.request.user, mounting, CHANGE, "by form")
        except ValidationError as error:
            return _refused(self, form, error)
        except StoreUnavailable:
            form.add_error(None, "DynamoDB does not answer: the present reading cannot be told just now.")
            return self.form_invalid(form)
        _tell(self.request, mounting, "Saved. Reports that are stored stay as they are.")
        return redirect("mounting", mounting.pk)


def _tell(request: HttpRequest, mounting: Mounting, done: str) -> None:
    """Say what was done, and what becomes of what the sensor sent before."""
    try:
        after = told_of(mounting, timezone.now())
    except StoreUnavailable:
        after = "What becomes of what it sent before cannot be told just now."
    messages.success(request, f"{done} {after}")


def _refused(view: Any, form: forms.ModelForm[Any], error: ValidationError) -> HttpResponse:
    if hasattr(error, "error_dict"):
        for name, said in error.message_dict.items():
            form.add_error(name if name in form.fields else None, said)
    else:
        form.add_error(None, error)
    refused: HttpResponse = view.form_invalid(form)
    return refused
