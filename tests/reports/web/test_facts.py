"""The form for a can's details, and the import: what no can or coordinate can be is refused, never a defect."""

from __future__ import annotations

import pytest
from django.test import Client

from reports.models import Can

pytestmark = [pytest.mark.usefixtures("shared_suffix"), pytest.mark.django_db]


@pytest.mark.parametrize("can_id", ["%0a", "%0d", "%1f", "%00", "x" * 129])
def test_what_can_be_no_cans_id_is_404(admin_client: Client, can_id: str) -> None:
    for method in ("get", "post"):
        assert getattr(admin_client, method)(f"/cans/{can_id}/facts/", {"name": "Market"}).status_code == 404
    assert not Can.objects.exists()


def test_the_longest_id_is_taken(admin_client: Client) -> None:
    assert admin_client.post(f"/cans/{'x' * 128}/facts/", {"name": "Market"}).status_code == 302
    assert Can.objects.get().name == "Market"


HUGE = ("1e1000000", "-1e999999999", "1e99999999999999999999", "inf", "nan", "9" * 400)


@pytest.mark.parametrize("number", HUGE)
def test_a_coordinate_that_is_none_is_refused_beside_its_field(admin_client: Client, number: str) -> None:
    answer = admin_client.post("/cans/1/facts/", {"latitude": number, "longitude": "14"})

    assert answer.status_code == 200
    assert answer.context["form"].errors.keys() == {"latitude"}
    assert not Can.objects.exists()


@pytest.mark.parametrize("number", HUGE)
def test_an_import_names_the_line_of_a_coordinate_that_is_none(admin_client: Client, number: str) -> None:
    text = f"can_id,latitude,longitude\n1,50,14\n2,{number},14\n"

    answer = admin_client.post("/cans/import/", {"text": text, "apply": "yes"})

    assert answer.status_code == 200
    assert [error.partition(":")[0] for error in answer.context["plan"].errors] == ["Line 3"]
    assert not Can.objects.exists()


@pytest.mark.parametrize("missing", ["latitude", "longitude"])
def test_half_a_coordinate_is_refused_beside_the_missing_half(admin_client: Client, missing: str) -> None:
    whole = {"latitude": "50.0875", "longitude": "14.4213"}

    answer = admin_client.post("/cans/1/facts/", whole | {missing: ""})

    assert answer.context["form"].errors == {missing: ["Enter both coordinates, or neither."]}
    assert not Can.objects.exists()
    assert admin_client.post("/cans/1/facts/", whole).status_code == 302
    assert admin_client.post("/cans/1/facts/", dict.fromkeys(whole, "")).status_code == 302


def test_an_import_takes_no_half_of_a_coordinate(admin_client: Client) -> None:
    text = "can_id,latitude,longitude\n1,50,14\n2,50,\n3,,14\n4,,\n"

    answer = admin_client.post("/cans/import/", {"text": text, "apply": "yes"})

    assert [error.partition(":")[0] for error in answer.context["plan"].errors] == ["Line 3", "Line 4"]
    assert not Can.objects.exists()
