"""Draws spans of one trace as a picture: a bar each, by time, and an arrow's foot where a span links another."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

WIDTH, LINE, NAMES = 960, 24, 330
COLOURS = {1: "#777", 2: "#7a5ea8", 3: "#2f7d6b", 4: "#b3662a", 5: "#b03a5b"}


def drawn(spans: Iterable[Any]) -> str:
    """Return an SVG of OTLP spans: from left to right in their order, each as long as it took; pauses are not drawn."""
    ordered = sorted(spans, key=lambda span: span.start_time_unix_nano)
    names = {span.span_id: span.name for span in ordered}
    scale = (WIDTH - NAMES - 90) / max(1, len(ordered) - 1 + 8)
    longest = max(span.end_time_unix_nano - span.start_time_unix_nano for span in ordered)
    rows = []
    for at, span in enumerate(ordered):
        y, took = at * LINE, span.end_time_unix_nano - span.start_time_unix_nano
        x, width = NAMES + at * scale, max(3.0, 8 * scale * took / longest)
        links = "".join(f" ⇠ {names.get(link.span_id, 'another trace')}" for link in span.links)
        rows.append(
            f'<text x="4" y="{y + 16}">{escape(span.name)}</text>'
            f'<rect x="{x:.0f}" y="{y + 4}" width="{width:.0f}" height="15" rx="2" fill="{COLOURS[span.kind]}"/>'
            f'<text x="{x + width + 5:.0f}" y="{y + 16}">{took / 1e6:.1f} ms{escape(links)}</text>'
        )
    height = len(ordered) * LINE + 6
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif"'
        ' font-size="12">'
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>{"".join(rows)}</svg>\n'
    )
