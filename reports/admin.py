"""The fleet's facts, sensors with their mountings, and the saved views in the admin."""

from __future__ import annotations

from itertools import pairwise
from operator import itemgetter
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from reports.alert_rules import AlertRule
from reports.entered_models import StreamLimits
from reports.kept_changes import Pair, note_changes
from reports.models import Can, SavedView
from reports.sensor_models import Mounting, Sensor, UplinkSource, model_names
from trashsite.admin_lookups import ListedLookups


@admin.register(Can)
class CanAdmin(ListedLookups, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("can_id", "name", "address", "stream", "retired_at")
    list_filter = ("stream", ("retired_at", admin.EmptyFieldListFilter))
    search_fields = ("can_id", "name", "address")
    show_full_result_count = False

    def get_readonly_fields(self, request: HttpRequest, obj: Can | None = None) -> tuple[str, ...]:
        # With another id it would be saved as another can, and stay the first one, too.
        return ("can_id",) if obj else ()

    def save_model(self, request: HttpRequest, obj: Can, form: forms.ModelForm[Can], change: bool) -> None:
        before = Can.objects.filter(pk=obj.pk).first()
        super().save_model(request, obj, form, change)
        _note(request, [(before, obj)])

    def delete_model(self, request: HttpRequest, obj: Can) -> None:
        _note(request, [(obj, None)])
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Can]) -> None:
        with transaction.atomic():
            _note(request, [(can, None) for can in queryset])
            super().delete_queryset(request, queryset)


class SensorForm(forms.ModelForm):  # type: ignore[type-arg]
    """A sensor whose model is chosen from those that files describe."""

    model = forms.ChoiceField(required=False, help_text="Empty: as its messages tell.")

    class Meta:
        model = Sensor
        fields = ("key", "channel", "model")

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.fields["model"].choices = [("", "---------"), *((name, name) for name in model_names())]  # type: ignore[attr-defined]


class MountingFormSet(forms.BaseInlineFormSet):  # type: ignore[type-arg]
    """All mountings of one sensor: judged together, since one may end where the next begins."""

    def clean(self) -> None:
        super().clean()
        told = [each.cleaned_data for each in self.forms if each.cleaned_data.get("since")]
        mountings = sorted((each for each in told if not each.get("DELETE")), key=itemgetter("since"))
        for one, following in pairwise(mountings):
            if one.get("until") is None or one["until"] > following["since"]:
                raise ValidationError(f"The sensor is still in can {one['can_id']} when the next mounting begins.")


class MountingInline(admin.TabularInline):  # type: ignore[type-arg]
    model = Mounting
    formset = MountingFormSet
    extra = 0


@admin.register(Sensor)
class SensorAdmin(ListedLookups, admin.ModelAdmin):  # type: ignore[type-arg]
    form = SensorForm
    inlines = (MountingInline,)
    list_display = ("key", "channel", "model")
    list_filter = ("model",)
    search_fields = ("key",)
    show_full_result_count = False

    def get_readonly_fields(self, request: HttpRequest, obj: Sensor | None = None) -> tuple[str, ...]:
        # Another key is another sensor.
        return ("key", "channel") if obj else ()


@admin.register(StreamLimits)
class StreamLimitsAdmin(ListedLookups, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("stream", "full_from", "hysteresis")

    def get_readonly_fields(self, request: HttpRequest, obj: StreamLimits | None = None) -> tuple[str, ...]:
        # With another name it would be saved as another stream, and stay the first one, too.
        return ("stream",) if obj else ()


@admin.register(SavedView)
class SavedViewAdmin(ListedLookups, admin.ModelAdmin):  # type: ignore[type-arg]
    """Everybody's own views and the shared ones: nobody sees, changes or makes a private view of another user."""

    list_display = ("name", "query", "owner")
    list_select_related = ("owner",)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[SavedView]:
        return SavedView.objects.usable_by(request.user)

    def formfield_for_foreignkey(
        self, db_field: models.ForeignKey[Any, Any], request: HttpRequest, **named: Any
    ) -> forms.ModelChoiceField | None:  # type: ignore[type-arg]
        if db_field.name == "owner":
            named["queryset"] = User.objects.filter(username=request.user.get_username())
        return super().formfield_for_foreignkey(db_field, request, **named)


@admin.register(UplinkSource)
class UplinkSourceAdmin(ListedLookups, admin.ModelAdmin):  # type: ignore[type-arg]
    """Sources of uplinks. A secret is shown once, when its source is made or gets a new one, and nowhere else."""

    list_display = ("name", "is_open", "created_at")
    actions = ("renew_secrets",)

    def get_readonly_fields(self, request: HttpRequest, obj: UplinkSource | None = None) -> tuple[str, ...]:
        # Another name is another source.
        return ("name", "created_at") if obj else ("created_at",)

    def save_model(
        self, request: HttpRequest, obj: UplinkSource, form: forms.ModelForm[UplinkSource], change: bool
    ) -> None:
        if not change:
            # Only in memory, until the answer to this request shows it.
            obj.secret = obj.new_secret()  # type: ignore[attr-defined]
        super().save_model(request, obj, form, change)

    def response_add(
        self, request: HttpRequest, obj: UplinkSource, post_url_continue: str | None = None
    ) -> HttpResponse:
        return self._shown(request, [(obj, obj.secret)])  # type: ignore[attr-defined]

    @admin.action(description="Give the selected sources new secrets", permissions=["change"])
    def renew_secrets(self, request: HttpRequest, queryset: QuerySet[UplinkSource]) -> HttpResponse:
        with transaction.atomic():
            sources = list(queryset.order_by("pk").select_for_update())
            seen = _seal(sources)
            confirmed = request.POST.get("seen")
            if confirmed is None:
                return self._asked(request, sources, seen)
            if not constant_time_compare(confirmed, seen):
                # Sent again, as by a browser that loads the page again: the secret that was shown stays valid.
                self.message_user(
                    request,
                    "No secret was changed: since that page was shown, one of these sources was given another one. A "
                    "secret is shown once: where nobody has copied it, give the source a new one.",
                    messages.WARNING,
                )
                return redirect("admin:reports_uplinksource_changelist")
            renewed = [(source, source.new_secret()) for source in sources]
            for source, _ in renewed:
                source.save()
                self.log_change(request, source, "Gave it a new secret.")
        return self._shown(request, renewed)

    def _asked(self, request: HttpRequest, sources: list[UplinkSource], seen: str) -> HttpResponse:
        """Ask whether these sources are to get new secrets."""
        context = {
            **self.admin_site.each_context(request), "title": "Are you sure?", "sources": sources, "seen": seen,
            "checkbox": ACTION_CHECKBOX_NAME,
        }  # fmt: skip
        return TemplateResponse(request, "admin/reports/uplinksource/renew.html", context)

    def _shown(self, request: HttpRequest, made: list[tuple[UplinkSource, str]]) -> HttpResponse:
        """Show the secrets at once: in a message they would lie in the session, readable, until a page shows them."""
        rows = [
            (source, request.build_absolute_uri(reverse("uplinks", args=[source.name])), key) for source, key in made
        ]
        context = {**self.admin_site.each_context(request), "title": "New secrets of uplinks", "rows": rows}
        return TemplateResponse(request, "admin/reports/uplinksource/secrets.html", context)


@admin.register(AlertRule)
class AlertRuleAdmin(ListedLookups, admin.ModelAdmin):  # type: ignore[type-arg]
    """Rules of alerts. A webhook's secret is shown once, when the rule is made or gets a new one, and nowhere else."""

    list_display = ("name", "is_on", "statuses", "stream", "can_id", "channel", "address")
    list_filter = ("channel", "is_on")
    actions = ("renew_secrets",)

    def save_model(self, request: HttpRequest, obj: AlertRule, form: forms.ModelForm[AlertRule], change: bool) -> None:
        had_secret = bool(obj.secret)
        super().save_model(request, obj, form, change)
        if obj.secret and not had_secret:
            self.message_user(request, f"The secret of {obj.name}, shown this once: {obj.secret}")

    @admin.action(description="Give webhooks new secrets", permissions=["change"])
    def renew_secrets(self, request: HttpRequest, queryset: QuerySet[AlertRule]) -> None:
        for rule in queryset.filter(channel="webhook"):
            secret = rule.new_secret()
            rule.save()
            self.message_user(request, f"The secret of {rule.name}, shown this once: {secret}")


def _seal(sources: list[UplinkSource]) -> str:
    """Return what is another text once one of these sources has another secret: a form that holds it counts once."""
    text = "\n".join(f"{each.pk} {each.digest}" for each in sources)
    return salted_hmac("secrets of uplinks", text, algorithm="sha256").hexdigest()


def _note(request: HttpRequest, pairs: list[Pair]) -> None:
    note_changes(pairs, by=request.user.get_username(), via="admin", now=timezone.now())
