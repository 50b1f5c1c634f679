"""What a program tells Prometheus at /metrics."""

from __future__ import annotations

from urllib.request import urlopen


def scraped(port: int) -> dict[str, float]:
    """Return each value by its name and labels, as Prometheus's text has them."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}
