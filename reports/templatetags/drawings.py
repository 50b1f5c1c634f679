"""Pictures in pages, drawn as SVG: a level's bar, a day's line, an hour's columns, a map of stops."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from html import escape

from django import template
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from reports.insight.standing import Standing
from reports.insight.status import FILLING_SHARE, Status
from reports.insight.stop_map import StopMap
from reports.report import percent as parsed
from reports.templatetags.trash import number, visible

register = template.Library()

#: Statuses that say by themselves how full a can is, by its own threshold and hysteresis.
_TONES = {Status.FULL: "full", Status.FILLING: "nearly", Status.OK: "fine"}


@register.simple_tag
def level(text: str, standing: Standing | None = None) -> SafeString:
    """
    Draw a level as a bar with its figure; its digits as sent are in the title.

    standing: of the can whose newest level it is: it gives the colour. A level of the past has one colour.
    """
    percent = parsed(text)
    if percent is None:
        return format_html('<span class="level">{}</span>', text)
    colour = _tone(percent, standing) if standing else "fine"
    width = f"{min(max(percent, Decimal(0)), Decimal(100)):.1f}"
    # A list has hundreds of these: only what a device sent is escaped, no figure of ours.
    return mark_safe(  # noqa: S308
        f'<span class="level {colour}" title="{escape(text)} %">'
        '<svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="track" width="100" height="8"/><rect class="fill" width="{width}" height="8"/></svg>'
        f"<span>{percent:.1f} %</span></span>"
    )


@register.simple_tag
def trend(percents: Sequence[int | None]) -> SafeString:
    """Draw a day's levels as a line of two dozen pixels' height; the newest is marked."""
    spots = [(3 + at * 6, 21 - level * 0.18) for at, level in enumerate(percents) if level is not None]
    if len(spots) < 2:
        return mark_safe("")
    first, last = next(level for level in percents if level is not None), percents[-1]
    line = " ".join([f"{x},{y:.1f}" for x, y in spots])
    x, y = spots[-1]
    return mark_safe(  # noqa: S308 - whole numbers alone
        f'<svg class="trend" viewBox="0 0 72 24" role="img" aria-label="In a day from {first} to {last} percent">'
        f'<polyline points="{line}"/><circle cx="{x}" cy="{y:.1f}" r="2"/></svg>'
    )


@register.simple_tag
def minutes(numbers: Sequence[int | None], label: str, unit: str = "") -> SafeString:
    """Draw an hour's numbers, one a minute, as columns under their greatest; a gap where a number is not known."""
    known = [each for each in numbers if each is not None]
    most = max(known, default=0)
    columns = format_html_join(
        "",
        '<rect x="{}" y="{}" width="4" height="{}"/>',
        (
            (at * 5, f"{48 - height:.1f}", f"{height:.1f}")
            for at, each in enumerate(numbers)
            if each and (height := max(1.0, 46 * each / most))
        ),
    )
    last, highest = (f"{number(each)}{unit}" for each in (known[-1], most)) if known else ("unknown", "unknown")
    return format_html(
        '<figure class="minutes"><figcaption>{} <b>{}</b> <small>at most {}</small></figcaption>'
        '<svg viewBox="0 0 300 48" preserveAspectRatio="none" role="img" aria-label="{}: {} now, at most {} in the'
        ' last hour">{}</svg></figure>',
        label, last, highest, label, last, highest, columns,
    )  # fmt: skip


@register.simple_tag
def stop_map(drawn: StopMap) -> SafeString:
    """
    Draw the stops of a way, and the way, without tiles; each mark leads to its first can.

    The Tab key passes the marks by: the list below leads to all cans, and a hundred marks would stand before it.
    """
    marks = format_html_join(
        "",
        '<a href="{}" tabindex="-1"><title>{}</title><rect class="{}" x="{}" y="{}" width="{}" height="18" rx="9"/>'
        '<text x="{}" y="{}">{}</text></a>',
        (
            (
                reverse("can", args=[mark.can_id]), visible(mark.title), mark.why.lower(), mark.left, mark.top,
                mark.width, mark.x, mark.text_y, mark.label,
            )
            for mark in drawn.marks
        ),
    )  # fmt: skip
    start = format_html('<circle class="start" cx="{}" cy="{}" r="6"/>', *drawn.start) if drawn.start else ""
    return format_html(
        '<svg width="{}" viewBox="0 0 {} {}" role="group" aria-label="Map of the stops, north at the top, no roads">'
        '<polyline points="{}"/>{}{}<g class="scale"><path d="M12 {}h{}"/><text x="12" y="{}">{}</text></g></svg>',
        drawn.width, drawn.width, drawn.height, drawn.line, start, marks, drawn.scale_y, drawn.scale, drawn.scale_y - 5,
        drawn.scale_text,
    )  # fmt: skip


def _tone(level: Decimal, standing: Standing) -> str:
    """Return the CSS class of a can's newest level: by its status, or by its threshold where that tells no level."""
    if standing.is_old:
        return "old"
    if tone := _TONES.get(standing.status):
        return tone
    full_from = Decimal(standing.full_from)
    return "full" if level >= full_from else "nearly" if level >= full_from * FILLING_SHARE else "fine"
