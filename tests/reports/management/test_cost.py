"""`manage.py cost`: the arithmetic of a bill, and what it says of wrong arguments and files."""

from __future__ import annotations

import json
import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from reports.management.costs.prices import NAMES, TABLE

#: Prices that are easy to multiply: each is one dollar, but for the millions.
PRICES = {name: 1.0 for name in NAMES} | {"sqs_million_requests": 2.0, "dynamodb_million_write_units": 3.0}
FIGURES = {
    "date": "2026-11-26T22:00:00+00:00",
    "commit": "0123abc",
    "steady": {
        "10": {"worker": {"sqs_requests_per_report": 1.0, "cpu_ms_per_report": 2.0, "log_bytes_per_report": 50}},
        "100": {"worker": {"sqs_requests_per_report": 0.25, "cpu_ms_per_report": 1.0, "log_bytes_per_report": 10}},
    },
    "idle": {"worker": {"sqs_requests_per_minute": 15.0, "dynamodb_requests_per_minute": 6.0}},
    "replay": {
        "reports": 1000,
        "write_units_per_report": 3.0,
        "read_units_per_report": 0.5,
        "history_bytes_per_report": 250.0,
        "units": {"writes": {"trash-level-history": 1.0, "trash-levels": 2.0}},
    },
}


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    file = tmp_path / "prices.toml"
    lines = [f'{name} = {{ usd = {usd}, as_of = "2026-11-01" }}' for name, usd in PRICES.items()]
    file.write_text("\n".join(["[moon-1]", *lines]))
    return file


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    file = tmp_path / "measured.json"
    file.write_text(json.dumps(FIGURES))
    return file


def cost(*arguments: object) -> str:
    out = StringIO()
    call_command("cost", *map(str, arguments), stdout=out)
    return out.getvalue()


def bill(*arguments: object) -> dict[str, Any]:
    return dict(json.loads(cost(*arguments, "--json")))


def usd_of(bill: dict[str, Any]) -> dict[str, float]:
    return {line["what"]: line["usd"] for service in bill["services"].values() for line in service["lines"]}


def test_each_line_is_what_the_fleet_takes_at_the_price_of_the_table(prices: Path, measured: Path) -> None:
    # 36,000 cans each ten minutes: 60 a second, so the figures at 10 a second count.
    of = bill("--cans", 36_000, "--every", "10m", "--region", "moon-1", "--prices", prices, "--measured", measured)
    usd = usd_of(of)
    million = 60 * 730 * 3600 / 1e6
    assert of["reports_per_month"] == pytest.approx(million * 1e6)
    assert usd["sent by devices, one report a message"] == pytest.approx(2 * million)
    assert usd["received and deleted by workers"] == pytest.approx(2 * million)
    assert usd["writes of reports"] == pytest.approx(3 * 3 * million)
    assert usd["reads of cans' rows"] == pytest.approx(0.5 * million)
    assert usd["heartbeats"] == pytest.approx(3 * 6 * 60 * 730 / 1e6)
    # 0.12 vCPU, of which a task of 0.25 takes half: one worker.
    assert usd["1 worker of 0.25 vCPU and 0.5 GB"] == pytest.approx(0.75 * 730)
    assert usd["4 public addresses"] == pytest.approx(4 * 730)
    kept = 60 * 86_400 * 400 * 250 / 1e9
    assert usd["history of 400 days once it is full, with recovery"] == pytest.approx(2 * kept)
    assert usd["the workers' log, kept for a month"] == pytest.approx(2 * million * 1e6 * 50 / 1e9)
    assert usd["workers' polls of the queue of alerts"] == pytest.approx(2 * 0.25 * 3600 * 730 / 1e6)
    assert "an idle worker's polls" not in usd
    assert of["usd_per_month"] == pytest.approx(sum(usd.values()))
    assert of["usd_per_month"] == pytest.approx(sum(service["usd"] for service in of["services"].values()))


def test_a_fleet_that_reports_faster_costs_less_a_report_and_needs_more_workers(prices: Path, measured: Path) -> None:
    usd = usd_of(bill("--cans", 300, "--every", "1s", "--region", "moon-1", "--prices", prices, "--measured", measured))
    assert usd["received and deleted by workers"] == pytest.approx(0.25 * usd["sent by devices, one report a message"])
    assert "3 workers of 0.25 vCPU and 0.5 GB" in usd


def test_a_small_fleet_also_pays_for_the_polls_of_an_idle_worker(prices: Path, measured: Path) -> None:
    usd = usd_of(bill("--cans", 500, "--every", "2h", "--region", "moon-1", "--prices", prices, "--measured", measured))
    assert usd["an idle worker's polls"] == pytest.approx(2 * 15 * 60 * 730 / 1e6)


def test_without_a_history_nothing_is_paid_for_it(prices: Path, measured: Path, settings: Settings) -> None:
    settings.TRASH_HISTORY_DAYS = 0
    usd = usd_of(
        bill("--cans", 36_000, "--every", "10m", "--region", "moon-1", "--prices", prices, "--measured", measured)
    )
    assert usd["writes of reports"] == pytest.approx(3 * 2 * 60 * 730 * 3600 / 1e6)
    assert usd["history of 0 days once it is full, with recovery"] == 0


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
def test_the_committed_prices_and_figures_make_a_bill_that_tells_where_they_are_from(region: str) -> None:
    text = cost("--cans", 50_000, "--every", "15m", "--region", region)
    assert "50,000 cans" in text
    assert re.search(r"^USD a month +[0-9,]+\.[0-9]{2}$", text, re.MULTILINE)
    assert f"{region}, as of 2026-" in text
    assert re.search(r"Measured: 2026-\d\d-\d\d, commit [0-9a-f]{7}", text)
    assert "Not counted: " in text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--cans", "0", "--every", "15m"], "whole number from 1"),
        (["--cans", "50k", "--every", "15m"], "whole number from 1"),
        (["--cans", "5", "--every", "15"], "as 15m"),
        (["--cans", "5", "--every", "0m"], "as 15m"),
        (["--cans", "5", "--every", "1h", "--region", "mars-1"], "it has those of eu-central-1, us-east-1"),
        (["--cans", "5", "--every", "1h", "--prices", "/nowhere.toml"], "/nowhere.toml"),
        (["--cans", "5", "--every", "1h", "--measured", "/nowhere.json"], "/nowhere.json"),
        (["--cans", "5", "--every", "1h", "--prices", __file__], "is not TOML"),
        (["--cans", "5", "--every", "1h", "--measured", str(TABLE)], "is not JSON"),
    ],
)
def test_what_is_wrong_is_named_with_its_rule(arguments: list[str], says: str) -> None:
    with pytest.raises(CommandError, match=re.escape(says)):
        cost(*arguments)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("usd = 0.625", 'usd = "0.625"', "us-east-1, dynamodb_million_write_units: usd must be a number"),
        ("usd = 0.625", "usd = -1", "us-east-1, dynamodb_million_write_units: usd must be a number"),
        ("usd = 0.625", "usd = nan", "us-east-1, dynamodb_million_write_units: usd must be a number"),
        ('0.625, as_of = "2026-07"', "0.625", "us-east-1, dynamodb_million_write_units: as_of must be a date"),
        ("balancer_hour = { usd = 0.0225", "hour = { usd = 0.0225", "us-east-1: balancer_hour is missing"),
    ],
)  # fmt: skip
def test_a_table_with_a_wrong_price_is_refused(tmp_path: Path, old: str, new: str, says: str) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(TABLE.read_text().replace(old, new, 1))
    with pytest.raises(CommandError, match=re.escape(says)):
        cost("--cans", 5, "--every", "1h", "--prices", file)


@pytest.mark.parametrize("part", ["steady", "idle", "replay"])
def test_a_part_that_was_not_measured_is_named_with_the_command_that_measures_it(part: str, tmp_path: Path) -> None:
    file = tmp_path / "measured.json"
    file.write_text(json.dumps({**FIGURES, part: {}}))
    with pytest.raises(CommandError, match=rf"lacks the part {part}: run `make bench"):
        cost("--cans", 5, "--every", "1h", "--measured", file)


def test_figures_of_another_form_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "measured.json"
    for figures in ({**FIGURES, "idle": {"loop": {}}}, [], {**FIGURES, "steady": {"x": FIGURES["steady"]["10"]}}):  # type: ignore[index]
        file.write_text(json.dumps(figures))
        with pytest.raises(CommandError, match="is not what the bench of this version writes"):
            cost("--cans", 5, "--every", "1h", "--measured", file)
