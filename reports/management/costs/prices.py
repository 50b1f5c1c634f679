"""AWS's list prices of one region, from a table in TOML in which each price has its date."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TABLE = Path(__file__).with_name("prices.toml")
REGION = "us-east-1"
NAMES = frozenset(
    {
        "sqs_million_requests", "dynamodb_million_write_units", "dynamodb_million_read_units", "dynamodb_gb_month",
        "dynamodb_gb_month_of_recovery", "fargate_vcpu_hour", "fargate_gb_hour", "balancer_hour", "balancer_unit_hour",
        "address_hour", "postgresql_hour", "postgresql_gb_month", "cloudwatch_alarm_month", "cloudwatch_gb_of_logs",
        "cloudwatch_gb_month_of_logs", "secret_month",
    }
)  # fmt: skip


class InvalidPrices(Exception):
    """The table cannot be used; the text names the price and the rule."""


@dataclass(frozen=True, slots=True)
class Prices:
    """The prices of a region, in USD by name. as_of: the oldest and the newest date among them."""

    region: str
    usd: Mapping[str, float]
    as_of: tuple[str, str]

    def __str__(self) -> str:
        return f"{self.region}, as of {self.as_of[0]} to {self.as_of[1]}"


def load(file: Path = TABLE, region: str = REGION) -> Prices:
    """Read the prices of a region. Raises InvalidPrices, and OSError where the file cannot be read."""
    try:
        tables = tomllib.loads(file.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidPrices(f"{file} is not TOML: {error}") from error
    regions = sorted(name for name in tables if name != "pages")
    table = tables.get(region)
    if region not in regions or not isinstance(table, dict):
        raise InvalidPrices(f"{file} has no prices of {region}; it has those of {', '.join(regions) or 'no region'}")
    if missing := sorted(NAMES - set(table)):
        raise InvalidPrices(f"{file}, {region}: {', '.join(missing)} is missing")
    dates = sorted(_as_of(f"{file}, {region}, {name}", table[name]) for name in NAMES)
    return Prices(region, {name: float(table[name]["usd"]) for name in NAMES}, (dates[0], dates[-1]))


def _as_of(where: str, price: Any) -> str:
    """Return the date of a price. Raises InvalidPrices where it is no price with a date."""
    usd = price.get("usd") if isinstance(price, dict) else None
    if isinstance(usd, bool) or not isinstance(usd, int | float) or not (math.isfinite(usd) and usd >= 0):
        raise InvalidPrices(f"{where}: usd must be a number from 0 on")
    if not isinstance(price.get("as_of"), str) or not price["as_of"]:
        raise InvalidPrices(f'{where}: as_of must be a date in quotes, as "2026-09-11"')
    return str(price["as_of"])
