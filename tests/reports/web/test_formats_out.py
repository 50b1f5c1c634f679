"""The newest reports in FIWARE's and OMA's words, as our own parser reads them again."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from reports import store
from reports.formats import parse
from reports.formats.readings import Reading
from reports.report import Report

pytestmark = [pytest.mark.usefixtures("shared_suffix"), pytest.mark.django_db]

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(autouse=True)
def cans(settings: Settings) -> None:
    settings.TRASH_READS = "open"
    store.put_reports([Report("out-1", "70.5", NOW, NOW), Report("out-2", "12", NOW, NOW)], now=NOW)


@pytest.mark.parametrize(
    ("form", "media_type"), [("fiware", "application/ld+json"), ("senml", "application/senml+json")]
)
def test_a_can_and_a_page_of_the_fleet_come_back_through_our_own_parser(form: str, media_type: str) -> None:
    client = Client()
    one = client.get(f"/reports/out-1?format={form}")
    assert one["Content-Type"] == media_type
    assert client.get("/reports/out-1", headers={"Accept": media_type}).content == one.content
    readings = [each for each in parse(one.content, NOW) if isinstance(each, Reading)]
    assert [(each.level_percent, each.measured_at) for each in readings] == [(Decimal("70.5"), NOW)]

    page = client.get(f"/reports/?format={form}&q=out-&page_size=1&order=id")
    assert 'rel="next"' in page["Link"]
    readings = [each for each in parse(page.content, NOW) if isinstance(each, Reading)]
    assert [each.level_percent for each in readings] == [Decimal("70.5")]

    unknown = client.get(f"/reports/none?format={form}")
    assert (unknown.status_code, unknown["Content-Type"]) == (404, "application/problem+json")


def test_each_format_has_an_etag_of_its_own() -> None:
    tags = {Client().get(f"/reports/out-1?format={form}")["ETag"] for form in ("json", "fiware", "senml")}
    assert len(tags) == 3
