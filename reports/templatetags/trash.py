"""What pages show of levels and times; nothing here touches a store."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from django import template
from django.conf import settings
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from reports.insight.fold import LastKnown
from reports.insight.standing import Standing
from reports.insight.status import Status
from reports.report import iso
from reports.report import percent as parsed

register = template.Library()

_NOTHING = mark_safe("")
#: Attributes with a longer value than this are folded.
FOLDED_FROM = 300
#: Categories of characters that nobody sees, or that change the direction of what follows; Unicode, UAX 44.
_UNSEEN = {"Cc", "Cf", "Zl", "Zp"}
#: Letters that have no picture: the Hangul fillers.
_FILLERS = {"\u115f", "\u1160", "\u3164", "\uffa0"}


@register.simple_tag(takes_context=True)
def here(context: template.Context, *names: str) -> str:
    """Mark the link to the page that one is on."""
    match = getattr(context.get("request"), "resolver_match", None)
    return mark_safe(' aria-current="page"') if match and match.url_name in names else ""


@register.simple_tag
def wrong(rules: Mapping[str, str], name: str) -> SafeString:
    """Say beside a field which rule its text breaks; nothing where it breaks none. rules: by name of the field."""
    rule = rules.get(name) if rules else ""
    return format_html('<span class="hint bad" id="wrong-{}" role="alert">{}</span>', name, rule) if rule else _NOTHING


@register.simple_tag
def mark_wrong(rules: Mapping[str, str], name: str) -> SafeString:
    """Let a field that breaks a rule say so, and where that stands (`wrong`)."""
    is_wrong = rules and rules.get(name)
    return format_html(' aria-invalid="true" aria-describedby="wrong-{}"', name) if is_wrong else _NOTHING


@register.filter
def percent(level: str) -> str:
    """Round a level for reading: one decimal, and none where it would be zero."""
    number = parsed(level)
    if number is None:
        return level
    return f"{number:.1f}".removesuffix(".0")


@register.filter
def visible(text: str) -> str:
    """Write characters that nobody sees, and those that change the direction of text, as their escapes."""
    if text.isascii() and text.isprintable():
        # As nearly every id is: a list has hundreds.
        return text
    return "".join(_escaped(one) if _is_unseen(one) else one for one in text)


@register.filter
def listed(words: str) -> str:
    """Write words that have commas alone between them so that their line may break."""
    return words.replace(",", ", ")


@register.simple_tag
@lru_cache(maxsize=64)
def status_pill(status: str) -> SafeString:
    """Show a status as a word on a tint: never by colour alone."""
    return format_html('<span class="pill {}">{}</span>', status.lower(), status.replace("_", " "))


@register.simple_tag
def standing_pills(standing: Standing) -> SafeString:
    """Show a can's status, and beside FULL that its level is not to be trusted, where that is so: both facts matter."""
    also = " " + status_pill(Status.SUSPECT) if standing.suspect and standing.status is Status.FULL else ""
    return mark_safe(status_pill(standing.status) + also)  # noqa: S308 - two words of ours


@register.simple_tag
def stage_pill(stage: str) -> SafeString:
    """Show how sure an emptying is as a word on a tint."""
    tint = {"CONFIRMED": "ok", "PROVISIONAL": "filling"}.get(stage, "new")
    return format_html('<span class="pill {}">{}</span>', tint, stage.replace("_", " "))


@register.simple_tag
def second(at: int) -> SafeString:
    """Say when, in the site's zone; at: seconds since 1970."""
    return time(datetime.fromtimestamp(at, UTC))


@register.simple_tag
def iso_second(at: int) -> str:
    """Write an instant as the API does; at: seconds since 1970."""
    return iso(datetime.fromtimestamp(at, UTC))


@register.simple_tag
def second_ago(at: int) -> SafeString:
    """Say how long ago; at: seconds since 1970."""
    return ago(datetime.fromtimestamp(at, UTC))


@register.simple_tag
def ago(at: datetime | str | None) -> SafeString:
    """Say how long ago, with the exact time on hover; the site's zone. at: may be as the API writes it."""
    at = _instant(at)
    if not isinstance(at, datetime):
        return format_html('<span class="unknown">{}</span>', at or "unknown")
    shown = escape(_local(at)), age(at, timezone.now())
    return mark_safe('<time datetime="{}" title="{}">{}</time>'.format(at.isoformat(), *shown))  # noqa: S308


@register.simple_tag
def minute(at: datetime | int) -> SafeString:
    """Say when to the minute, in the site's zone: of what is planned or foretold. at: or seconds since 1970."""
    at = datetime.fromtimestamp(at, UTC) if isinstance(at, int) else at
    return format_html('<time datetime="{}">{}</time>', at.isoformat(), _local(at, "%Y-%m-%d %H:%M"))


@register.simple_tag
def time(at: datetime | str | None) -> SafeString:
    """Say when, in the site's zone. at: may be as the API writes it."""
    at = _instant(at)
    if not isinstance(at, datetime):
        return format_html('<span class="unknown">{}</span>', at or "unknown")
    return format_html('<time datetime="{}">{}</time>', at.isoformat(), _local(at))


def age(at: datetime, now: datetime) -> str:
    """Return the time from then to now in its largest whole unit."""
    seconds = (now - at).total_seconds()
    if seconds < 0:
        return "just now" if seconds > -5 else "in the future"
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return "just now" if seconds < 5 else f"{int(seconds)} s ago"


@register.simple_tag
def attributes(text: str) -> SafeString:
    """List what else a device sent: each attribute, nested ones as JSON, every number as it came."""
    # Numbers stay the texts they were.
    try:
        found = json.loads(text, parse_float=_Digits, parse_int=_Digits)
        rows = [(visible(name), _shown(value)) for name, value in found.items()]
    except (AttributeError, ValueError, RecursionError):
        # Another service wrote what no device of ours sends.
        return format_html('<p class="cut">{}</p>', text)
    if not rows:
        return mark_safe("")
    return format_html('<dl class="facts">{}</dl>', format_html_join("", "<dt>{}</dt><dd>{}</dd>", rows))


@register.simple_tag
def last_known(known: Sequence[LastKnown]) -> SafeString:
    """List attributes as a can sent each of them last, with the age of the report that did."""
    rows = [(visible(each.name), _value(each.text), ago(each.measured_at)) for each in known]
    line = '<dt>{}</dt><dd>{} <span class="hint">{}</span></dd>'
    return format_html('<dl class="facts">{}</dl>', format_html_join("", line, rows))


@register.simple_tag(takes_context=True)
def linked(context: template.Context, text: str) -> SafeString:
    """Show JSON so that the addresses of this site in it can be followed; what a device sent stays text."""
    origin = re.escape(escape(context["request"].build_absolute_uri("/")))
    link = r'&quot;<a href="\1">\1</a>&quot;'
    return mark_safe(re.sub(rf"&quot;({origin}[^\s\\]*?)&quot;", link, escape(text)))  # noqa: S308


@register.filter
def at(mapping: Mapping[str, Any], key: str) -> Any:
    """Return what a mapping holds under a key that is itself a value of the page."""
    return mapping.get(key, "")


@register.filter
def number(count: int | str) -> str:
    """Write a count with its thousands apart."""
    return f"{count:,}".replace(",", "\u202f") if isinstance(count, int) else str(count)


@register.filter
def seconds(milliseconds: int) -> str:
    """Write a duration in seconds, with a tenth below ten."""
    value = milliseconds / 1000
    return f"{value:.1f} s" if value < 10 else f"{value:,.0f} s"


@register.simple_tag
def duration(seconds: int) -> str:
    """Write a duration in its largest whole unit."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


@register.filter
def times(value: float, factor: float) -> float:
    return value * factor


@register.filter
def plus(value: float, summand: float) -> float:
    return value + summand


@register.filter(name="from")
def from_(value: float, whole: float) -> float:
    """Return what is left of a whole."""
    return round(whole - value, 1)


@register.filter
def shell(text: str) -> str:
    """Make a text safe between a shell's single quotes."""
    return text.replace("'", "'\\''")


class _Digits(str):
    """A number's own digits."""

    __slots__ = ()


def _value(text: str) -> SafeString:
    """Show a value by its JSON text; one that was too long to be kept has none."""
    if not text:
        return mark_safe('<span class="unknown">too long to be kept</span>')
    try:
        return _shown(json.loads(text, parse_float=_Digits, parse_int=_Digits))
    except (ValueError, RecursionError):
        return format_html("{}", text)


def _shown(value: Any) -> SafeString:
    is_text = isinstance(value, str)
    text = value if is_text else _json(value)
    shown = format_html("{}" if is_text else "<code>{}</code>", text)
    if len(text) < FOLDED_FROM:
        return shown
    start = f"{text[:60]}…"
    return format_html(
        '<details class="fold"><summary><span>{}</span> {} characters</summary>{}</details>',
        start, number(len(text)), shown,
    )  # fmt: skip


def _json(value: Any) -> str:
    match value:
        case _Digits():
            return value
        case dict():
            members = (f"{json.dumps(name, ensure_ascii=False)}: {_json(inner)}" for name, inner in value.items())
            return "{" + ", ".join(members) + "}"
        case list():
            return "[" + ", ".join(map(_json, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _instant(at: datetime | str | None) -> datetime | str | None:
    """Return what the API writes as an instant; a text that is none stays one."""
    try:
        return datetime.fromisoformat(at) if isinstance(at, str) else at
    except ValueError:
        return at


def _local(at: datetime, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    zone = ZoneInfo(settings.TRASH_TIME_ZONE)
    try:
        return f"{at.astimezone(zone):{form}} {settings.TRASH_TIME_ZONE}"
    except (OverflowError, ValueError):
        # In the years 1 and 9999 other zones lie outside the calendar.
        return at.isoformat()


def _is_unseen(one: str) -> bool:
    return one in _FILLERS or unicodedata.category(one) in _UNSEEN


def _escaped(one: str) -> str:
    return f"\\u{ord(one):04x}" if ord(one) <= 0xFFFF else f"\\U{ord(one):08x}"
