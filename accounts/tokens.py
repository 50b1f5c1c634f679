"""API tokens by their owners: listed, made, and revoked; the answer that makes one is all that ever shows its key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.http import HttpResponseBase, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import MOST_ACTIVE, MOST_ENDED, Token, digest, new_key
from reports.web import queries, schemas
from reports.web.access import may
from reports.web.answers import instant
from reports.web.parsers import ChoiceParser, ReportFormParser
from reports.web.problems import InvalidFields, InvalidQuery, answered
from reports.web.rate_limits import MakingTokens, Posting, Reading
from reports.web.rendering import Page
from reports.web.view import REFUSALS, UNKNOWN, UNREAD, ApiView

#: The right to see and revoke everybody's.
ANYBODYS = "accounts.change_token"
#: After how many days a token of the page's form expires; 0: never.
DAYS = (30, 90, 365, 0)
NO_STORE = {"Cache-Control": "no-store"}


class TokenAnswer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    read_only = serializers.BooleanField()  # type: ignore[assignment]
    state = serializers.ChoiceField(["active", "revoked", "expired"])
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True, help_text="Null: never.")
    revoked_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True, help_text="To the minute; null: never.")
    links = serializers.DictField(child=serializers.URLField())


class MadeToken(TokenAnswer):
    key = serializers.CharField(help_text="The only answer that has it. Send it as `Authorization: Bearer KEY`.")


class TokensAnswer(serializers.Serializer[Any]):
    owner = serializers.CharField()
    results = TokenAnswer(many=True)


class TokenWanted(schemas.Strict):
    """A token to be made."""

    name = serializers.CharField(max_length=64, help_text="What uses it, so that it can be told from the others.")
    read_only = serializers.BooleanField(  # type: ignore[assignment]
        default=False, help_text="It may look, and change nothing."
    )
    expires_at = serializers.DateTimeField(
        allow_null=True, default=None, help_text="Refused from then on; null: never."
    )

    def validate_expires_at(self, at: datetime | None) -> datetime | None:
        if at is not None and at <= timezone.now():
            raise serializers.ValidationError("must be in the future")
        return at


@dataclass(frozen=True)
class TokensPage(Page):
    """
    A user's tokens, and the form for a new one.

    made: the new token, with its key. is_own: whether the visitor is their owner. typed, wrong: a form that breaks
    rules, as it came, and these rules by field.
    """

    template: ClassVar[str] = "accounts/tokens.html"

    owner: str
    is_own: bool
    rows: Sequence[Mapping[str, Any]]
    made: Mapping[str, Any] | None = None
    days: Sequence[int] = DAYS
    typed: Mapping[str, str] = field(default_factory=dict)
    wrong: Mapping[str, str] = field(default_factory=dict)


class OwnTokens(BasePermission):
    """
    Whoever has shown who they are.

    A token makes no tokens: one that was stolen could make others, which would outlive it.
    """

    message = "A token makes no tokens. Sign in, and make it at /tokens."

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not (request.user and request.user.is_authenticated):
            return False
        if request.method in SAFE_METHODS:
            return True
        return not getattr(request.auth, "read_only", False) and (request.auth is None or request.method != "POST")


class TokensView(ApiView):
    """Your API tokens. Each has your rights, or may only read."""

    permission_classes = (OwnTokens,)
    throttle_classes = (Reading, Posting, MakingTokens)
    parser_classes = (ChoiceParser, ReportFormParser)
    samples = MappingProxyType({"POST": '{"name": "dashboard", "read_only": true, "expires_at": null}'})

    @extend_schema(
        operation_id="tokens",
        parameters=[OpenApiParameter("owner", str, description="Another user's (admins).")],
        responses={200: TokensAnswer, **UNKNOWN, **REFUSALS},
        tags=["tokens"],
    )
    def get(self, request: Request) -> Response:
        """Your tokens, the newest first; of those that are over, at most fifty. No answer has their keys."""
        queries.known(request.query_params, {"owner"})
        owner = _owner(request, request.query_params.get("owner", ""))
        rows = _rows(request, owner)
        answer = {"owner": owner.get_username(), "results": rows}
        return Response(_page(request, owner, answer, rows) if self.is_page else answer)

    @extend_schema(
        operation_id="make_token",
        request=TokenWanted,
        responses={201: MadeToken, **UNREAD, **REFUSALS},
        tags=["tokens"],
    )
    def post(self, request: Request) -> Response:
        """
        Make a token. This answer alone has its key; nothing but a digest of it is stored.

        It needs a session: a token makes no tokens.
        """
        sent: Any = request.data
        form = sent if self.is_page and isinstance(sent, QueryDict) else None
        wanted = TokenWanted(data=sent if form is None else _of_form(form))
        try:
            if not wanted.is_valid():
                raise InvalidFields.of("No token was made.", wanted.errors)
            token = _made(request.user, wanted.validated_data)
        except InvalidFields as error:
            if form is None:
                raise
            return self._form_again(request, form, error)
        answer = {**_told(request, token), "key": token.key}
        headers = {"Location": answer["links"]["self"], **NO_STORE}
        # Without the others: this page is for the key.
        page = _page(request, request.user, answer, (), made=answer) if self.is_page else answer
        return Response(page, status=201, headers=headers)

    def _form_again(self, request: Request, form: QueryDict, error: InvalidFields) -> Response:
        problem = answered(error)
        assert problem is not None
        typed, rows = {name: str(form[name]) for name in form}, _rows(request, request.user)
        page = _page(request, request.user, problem.data, rows, typed=typed, wrong=dict(error.wrong))
        return Response(page, status=problem.status_code)


class TokenView(ApiView):
    """One API token."""

    permission_classes = (OwnTokens,)

    @extend_schema(operation_id="token", responses={200: TokenAnswer, **UNKNOWN, **REFUSALS}, tags=["tokens"])
    def get(self, request: Request, token_id: int) -> Response:
        """One of your tokens, without its key; an admin reads anybody's."""
        return Response(_told(request, _token(request, token_id)))

    @extend_schema(operation_id="revoke_token", responses={204: None, **UNKNOWN, **REFUSALS}, tags=["tokens"])
    def delete(self, request: Request, token_id: int) -> Response | HttpResponseBase:
        """Revoke one of your tokens: from now on it is refused, for good. An admin revokes anybody's."""
        token = _token(request, token_id)
        _revoke(request.user, token)
        if not self.is_page:
            return Response(status=204)
        messages.success(request._request, f"Revoked the token {token.name}.")
        owner = {} if token.user_id == request.user.pk else {"owner": token.user.get_username()}
        return redirect(reverse("tokens", query=owner))


def _owner(request: Request, name: str) -> User:
    """Return the user of this name, "" for who asks. Raises PermissionDenied and NotFound."""
    assert isinstance(request.user, User)  # OwnTokens lets nobody else in.
    if name in ("", request.user.get_username()):
        return request.user
    if not may(request, ANYBODYS):
        raise PermissionDenied("Another user's tokens are shown to admins alone.")
    owner = User.objects.filter(username=name).first()
    if owner is None:
        raise NotFound("There is no user of this name.")
    return owner


def _token(request: Request, token_id: int) -> Token:
    """Return a token that this user may see. Raises NotFound."""
    tokens = Token.objects.select_related("user")
    if not may(request, ANYBODYS):
        tokens = tokens.filter(user=request.user.pk)
    token = tokens.filter(pk=token_id).first()
    if token is None:
        raise NotFound("There is no such token, or it is another user's.")
    return token


def _made(user: Any, wanted: Mapping[str, Any]) -> Token:
    """Make a token, and delete the oldest of those that are over. Raises InvalidFields where there are too many."""
    now = timezone.now()
    with transaction.atomic():
        # Two requests at once must not both make the last one.
        User.objects.select_for_update().get(pk=user.pk)
        tokens = Token.objects.filter(user=user)
        ended = tokens.filter(Q(revoked_at__lte=now) | Q(expires_at__lte=now)).order_by("-created_at", "-pk")
        if tokens.count() - ended.count() >= MOST_ACTIVE:
            rule = f"You have {MOST_ACTIVE} active tokens, and no more are possible. Revoke one first."
            raise InvalidFields("No token was made.", [("name", rule)])
        tokens.filter(pk__in=list(ended.values_list("pk", flat=True)[MOST_ENDED:])).delete()
        key = new_key()
        token = Token.objects.create(user=user, digest=digest(key), **wanted)
        LogEntry.objects.log_actions(user.pk, [token], ADDITION, change_message="made by its owner")
    token.key = key
    return token


def _revoke(user: Any, token: Token) -> None:
    now = timezone.now()
    if token.state(now) == "revoked":
        return
    with transaction.atomic():
        Token.objects.filter(pk=token.pk).update(revoked_at=now)
        LogEntry.objects.log_actions(user.pk, [token], CHANGE, change_message="revoked")


def _of_form(form: QueryDict) -> dict[str, Any]:
    """Return what the page's form asks for, as the API is asked. Raises InvalidQuery."""
    days = form.get("days", "")
    if days not in map(str, DAYS):
        raise InvalidQuery("days", f"must be one of {', '.join(map(str, DAYS))}")
    expires_at = timezone.now() + timedelta(days=int(days)) if days != "0" else None
    return {"name": form.get("name", ""), "read_only": "read_only" in form, "expires_at": instant(expires_at)}


def _rows(request: Request, owner: Any) -> list[dict[str, Any]]:
    tokens = Token.objects.filter(user=owner).order_by("-created_at", "-pk")[: MOST_ACTIVE + MOST_ENDED]
    return [_told(request, token) for token in tokens]


def _page(request: Request, owner: Any, answer: Any, rows: Sequence[Mapping[str, Any]], **more: Any) -> TokensPage:
    return TokensPage(answer, owner=owner.get_username(), is_own=owner.pk == request.user.pk, rows=rows, **more)


def _told(request: Request, token: Token) -> dict[str, Any]:
    return {
        "id": token.pk,
        "name": token.name,
        "read_only": token.read_only,
        "state": token.state(timezone.now()),
        "created_at": instant(token.created_at),
        "expires_at": instant(token.expires_at),
        "revoked_at": instant(token.revoked_at),
        "last_used_at": instant(token.last_used_at),
        "links": {"self": request.build_absolute_uri(reverse("token", args=[token.pk]))},
    }
