"""What the pages share that are no part of the API: forms that change something, for those who may."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.mixins import PermissionRequiredMixin
from django.views.generic import FormView

from reports.web import ingestion
from reports.web.access import visitor_of


class FormPage(PermissionRequiredMixin, FormView):  # type: ignore[type-arg]
    """A form: strangers are sent to sign in, others without the right are refused."""

    def has_permission(self) -> bool:
        self.raise_exception = self.request.user.is_authenticated
        return super().has_permission()

    def get_context_data(self, **named: Any) -> dict[str, Any]:
        return super().get_context_data(visitor=visitor_of(self.request), ingestion=ingestion.current(), **named)
