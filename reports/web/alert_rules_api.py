"""The rules of alerts, for operators: of which changes of cans' statuses to tell whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from reports.alert_rules import AlertRule
from reports.insight.alert_rule import Channel
from reports.web import alert_schemas, queries
from reports.web.access import MayEditRules
from reports.web.parsers import ChoiceParser
from reports.web.problems import InvalidFields
from reports.web.rendering import Page
from reports.web.unusable_channels import unusable_channels
from reports.web.view import REFUSALS, UNKNOWN, UNREAD, ApiView

_SAMPLE = (
    '{"name": "Full paper", "statuses": "FULL", "stream": "paper", "channel": "webhook", '
    '"address": "https://hooks.example.org/cans"}'
)


@dataclass(frozen=True)
class RulesPage(Page):
    """All rules, by name."""

    template: ClassVar[str] = "reports/alert_rules.html"


class RulesView(ApiView):
    """The rules of alerts."""

    permission_classes = (MayEditRules,)
    parser_classes = (ChoiceParser,)
    samples: Mapping[str, str] = MappingProxyType({"POST": _SAMPLE})

    @extend_schema(operation_id="alert_rules", responses={200: alert_schemas.RulesAnswer, **REFUSALS}, tags=["alerts"])
    def get(self, request: Request) -> Response:
        """All rules of alerts, by name; without their secrets."""
        queries.known(request.query_params, set())
        context = _context()
        answer = {"results": alert_schemas.RuleAnswer(AlertRule.objects.all(), many=True, context=context).data}
        page = {**answer, "knows_channels": context["unusable"] is not None}
        return Response(RulesPage(page) if self.is_page else answer)

    @extend_schema(
        operation_id="make_alert_rule",
        request=alert_schemas.RuleChange,
        responses={201: alert_schemas.NewRuleAnswer, **UNREAD, **REFUSALS},
        tags=["alerts"],
    )
    def post(self, request: Request) -> Response:
        """Make a rule. Workers know it within ten seconds. The secret of a webhook is in this answer alone."""
        rule = _changed(AlertRule(), request.data)
        return Response(alert_schemas.NewRuleAnswer(rule, context=_context()).data, status=201)


class RuleView(ApiView):
    """One rule of alerts."""

    permission_classes = (MayEditRules,)
    parser_classes = (ChoiceParser,)
    samples: Mapping[str, str] = MappingProxyType({"PUT": _SAMPLE})

    @extend_schema(
        operation_id="alert_rule", responses={200: alert_schemas.RuleAnswer, **UNKNOWN, **REFUSALS}, tags=["alerts"]
    )
    def get(self, request: Request, pk: int) -> Response:
        """One rule, without its secret."""
        return Response(alert_schemas.RuleAnswer(_known(pk), context=_context()).data)

    @extend_schema(
        operation_id="put_alert_rule",
        request=alert_schemas.RuleChange,
        responses={200: alert_schemas.RuleAnswer, **UNKNOWN, **UNREAD, **REFUSALS},
        tags=["alerts"],
    )
    def put(self, request: Request, pk: int) -> Response:
        """Replace a rule; its secret stays. What is left out is as in a new rule."""
        rule = _changed(_known(pk), request.data)
        return Response(alert_schemas.RuleAnswer(rule, context=_context()).data)

    @extend_schema(operation_id="delete_alert_rule", responses={204: None, **UNKNOWN, **REFUSALS}, tags=["alerts"])
    def delete(self, request: Request, pk: int) -> Response:
        """Forget a rule: alerts that wait for it are not sent any more."""
        _known(pk).delete()
        return Response(status=204)


class SecretView(ApiView):
    """The secret of one webhook."""

    permission_classes = (MayEditRules,)
    parser_classes = (ChoiceParser,)
    samples: Mapping[str, str] = MappingProxyType({"POST": ""})

    @extend_schema(
        operation_id="renew_alert_secret",
        request=None,
        responses={200: alert_schemas.SecretAnswer, **UNKNOWN, **UNREAD, **REFUSALS},
        tags=["alerts"],
    )
    def post(self, request: Request, pk: int) -> Response:
        """Give a webhook a new secret, which this answer alone tells; the earlier one is void ten seconds later."""
        rule = _known(pk)
        if rule.channel != Channel.WEBHOOK:
            raise InvalidFields("Nothing was changed.", [("channel", "must be webhook: no other signs")])
        secret = rule.new_secret()
        rule.save()
        return Response({"secret": secret})


def _context() -> dict[str, Any]:
    return {"unusable": unusable_channels(timezone.now())}


def _known(pk: int) -> AlertRule:
    rule = AlertRule.objects.filter(pk=pk).first()
    if rule is None:
        raise NotFound("There is no such rule.")
    return rule


def _changed(rule: AlertRule, data: Any) -> AlertRule:
    """Save a rule as it was sent. Raises InvalidFields."""
    change = alert_schemas.RuleChange(rule if rule.pk else None, data=data)
    if not change.is_valid():
        raise InvalidFields.of("Nothing was changed.", change.errors)
    fresh = AlertRule()
    for name in alert_schemas.RuleChange.Meta.fields:
        setattr(rule, name, change.validated_data.get(name, getattr(fresh, name)))
    try:
        rule.full_clean()
    except ValidationError as error:
        raise InvalidFields.of("Nothing was changed.", error.message_dict) from None
    rule.save()
    return rule
