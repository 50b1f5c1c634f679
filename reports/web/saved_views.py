"""Saved views: filters of the fleet under names, for oneself or for everybody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.contrib import messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpResponseBase, HttpResponseRedirect, QueryDict
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from reports.models import SavedView
from reports.web import schemas
from reports.web.access import MaySaveViews
from reports.web.fleet_queries import fleet_query
from reports.web.parsers import ChoiceParser, ReportFormParser
from reports.web.problems import InvalidFields, InvalidQuery, answered
from reports.web.rendering import Page
from reports.web.view import REFUSALS, UNKNOWN, UNREAD, ApiView

#: Views of one user, and shared ones: a page shows all of them.
MOST = 100


class ViewSent(serializers.Serializer[Any]):
    """A filter to keep under a name."""

    name = serializers.CharField(max_length=64)
    query = serializers.CharField(
        max_length=500, allow_blank=True, default="", help_text="As in the address: status=FULL&stream=paper"
    )
    shared = serializers.BooleanField(default=False, help_text="For everybody; else for oneself.")

    def validate_query(self, text: str) -> str:
        """Return the query string without its cursor and format. Raises ValidationError where the fleet refuses it."""
        sent = QueryDict(text.removeprefix("?")).dict()
        query = {name: str(value) for name, value in sent.items() if value and name not in ("cursor", "format")}
        try:
            fleet_query(query)
        except InvalidQuery as error:
            raise serializers.ValidationError(str(error)) from None
        return urlencode(query)


@dataclass(frozen=True)
class ViewsPage(Page):
    """All views that one may use. typed, wrong: a form that breaks rules as it was typed, and the rule by field."""

    template: ClassVar[str] = "reports/views.html"

    typed: Mapping[str, str]
    wrong: Mapping[str, str]


class ViewsView(ApiView):
    """Filters of the fleet under names: one's own, and those that are shared."""

    permission_classes = (MaySaveViews,)
    parser_classes = (ChoiceParser, ReportFormParser)
    samples = MappingProxyType({"POST": '{"name": "Full paper", "query": "status=FULL&stream=paper", "shared": false}'})

    @extend_schema(operation_id="views", responses={200: schemas.ViewsAnswer, **REFUSALS}, tags=["reports"])
    def get(self, request: Request) -> Response:
        """One's own saved views, and those that are shared, by name."""
        return self._listed(request)

    @extend_schema(
        operation_id="save_view",
        request=ViewSent,
        responses={200: schemas.ViewAnswer, 201: schemas.ViewAnswer, **UNREAD, **REFUSALS},
        tags=["reports"],
    )
    def post(self, request: Request) -> Response | HttpResponseBase:
        """Keep a filter under a name. A view of this name that there is, one's own or shared, shows it from then on."""
        sent = ViewSent(data=request.data)
        if not sent.is_valid():
            wrong = [(name if name in sent.fields else "message", str(said[0])) for name, said in sent.errors.items()]
            error = InvalidFields("Nothing was saved.", wrong)
            if self.is_page and isinstance(request.data, QueryDict):
                return self._listed(request, error, request.data)
            raise error
        owner_id, name = None if sent.validated_data["shared"] else request.user.pk, sent.validated_data["name"]
        with transaction.atomic():
            same_owner = SavedView.objects.select_for_update().filter(owner=owner_id)
            view = same_owner.filter(name=name).first()
            is_new = view is None
            if view is None:
                if same_owner.count() >= MOST:
                    raise InvalidFields("Nothing was saved.", [("name", f"{MOST} are saved: delete one first")])
                view = SavedView(owner_id=owner_id, name=name)
            view.query = sent.validated_data["query"]
            view.save()
        if self.is_page:
            messages.success(request._request, f"Saved as {view.name}.")
            return HttpResponseRedirect(f"{reverse('fleet')}?{view.query}", status=303)
        return Response(_shown(request, view), status=201 if is_new else 200)

    def _listed(
        self, request: Request, error: InvalidFields | None = None, typed: Mapping[str, Any] = MappingProxyType({})
    ) -> Response:
        views = [_shown(request, view) for view in usable(request)]
        problem = answered(error) if error else None
        if not self.is_page:
            return Response({"results": views})
        page = ViewsPage(
            {"results": views},
            typed={name: str(typed[name]) for name in typed},
            wrong=dict(error.wrong) if error else {},
        )
        return Response(page, status=problem.status_code if problem else 200)


class SavedViewView(ApiView):
    """One saved view."""

    permission_classes = (MaySaveViews,)
    parser_classes = (ChoiceParser, ReportFormParser)
    samples = MappingProxyType({"POST": ""})

    @extend_schema(operation_id="delete_view", responses={204: None, **UNKNOWN, **REFUSALS}, tags=["reports"])
    def delete(self, request: Request, view_id: int) -> Response:
        """Delete a view of one's own, or a shared one; 404 for those of others."""
        self._delete(request, view_id)
        return Response(status=204)

    @extend_schema(
        operation_id="delete_view_by_form", request=None, responses={303: None, **UNKNOWN, **REFUSALS}, tags=["reports"]
    )
    def post(self, request: Request, view_id: int) -> HttpResponseBase:
        """The same for a page's form, which knows no DELETE: answers with the address of the list."""
        self._delete(request, view_id)
        return HttpResponseRedirect(reverse("views"), status=303)

    def _delete(self, request: Request, view_id: int) -> None:
        deleted, _ = usable(request).filter(pk=view_id).delete()
        if not deleted:
            raise NotFound("There is no such view.")


def usable(request: Request) -> QuerySet[SavedView]:
    """Return the views that who sent this request may use: their own, and those that are shared."""
    return SavedView.objects.usable_by(request.user)


def _shown(request: Request, view: SavedView) -> dict[str, Any]:
    return {
        "id": view.pk,
        "name": view.name,
        "query": view.query,
        "shared": view.owner_id is None,
        "links": {
            "self": request.build_absolute_uri(reverse("saved-view", args=[view.pk])),
            "fleet": request.build_absolute_uri(f"{reverse('fleet')}?{view.query}"),
        },
    }
