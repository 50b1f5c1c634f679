"""The rows of the fleet's table: a page has up to 300, and drawing them was a quarter of what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Protocol

from django import template
from django.utils.safestring import SafeString, mark_safe

from reports.insight.standing import Standing
from reports.models import Facts
from reports.report import Report
from reports.templatetags.drawings import level, trend
from reports.templatetags.trash import ago, standing_pills, visible

register = template.Library()


class FleetRow(Protocol):
    """What is drawn of a row (reports.web.answers). report: None where the can never reported."""

    @property
    def can_id(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def stream(self) -> str: ...
    @property
    def report(self) -> Report | None: ...
    @property
    def standing(self) -> Standing: ...
    @property
    def facts(self) -> Facts | None: ...
    @property
    def trend(self) -> Sequence[int | None]: ...


@register.simple_tag
def fleet_row(row: FleetRow, has_trends: bool) -> SafeString:
    """
    Draw one can of the fleet; has_trends: whether the table has a column for the last day.

    One call in place of 50 nodes of a template, each of which looks its values up by their names.
    """
    report, facts, can_id = row.report, row.facts, escape(row.can_id)
    name = f" <small>{escape(facts.name)}</small>" if facts and facts.name else ""
    newest = level(report.level, row.standing) if report else '<span class="unknown">no level</span>'
    last_day = f'<td class="stream-col">{trend(row.trend)}</td>' if has_trends else ""
    heard = ago(report.measured_at) if report else '<span class="unknown">never</span>'
    return mark_safe(  # noqa: S308 - each text is escaped, each tag safe
        f'<tr data-key="{can_id}">'
        f'<th scope="row"><a href="{escape(row.path)}" data-can="{can_id}">{escape(visible(row.can_id))}</a>{name}</th>'
        f"<td>{newest}</td>{last_day}"
        f'<td title="{escape(row.standing.reason)}">{standing_pills(row.standing)}</td>'
        f"<td>{heard}</td>"
        f'<td class="stream-col" data-stream>{escape(row.stream)}</td>'
        f'<td class="wide-only">{escape(facts.address) if facts else ""}</td></tr>'
    )
