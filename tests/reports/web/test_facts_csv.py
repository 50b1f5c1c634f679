"""Details of the fleet from CSV: what would change, and the change itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from reports import store
from reports.models import Can
from reports.web import facts_csv
from reports.web.facts_csv import Change
from tests.support.cans import a_can, a_report

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


def test_a_plan_says_what_would_change_and_writes_nothing() -> None:
    a_can("420", name="Old", stream="paper", latitude=Decimal("50.1"), longitude=14)
    text = '\ufeffcan_id, name ,latitude,longitude\r\n420,New,50.10,14\r\n421,"Bridge, north",,\r\n'

    plan = facts_csv.plan(text)

    assert plan.errors == []
    assert plan.changes == [
        Change("420", False, {"name": ("Old", "New")}),
        Change("421", True, {"name": ("", "Bridge, north")}),
    ]
    assert Can.objects.get().name == "Old"

    facts_csv.apply(plan.changes, NOW)
    assert list(Can.objects.values_list("can_id", "name", "stream", "latitude")) == [
        ("420", "New", "paper", Decimal("50.1")),
        ("421", "Bridge, north", "", None),
    ]
    again = facts_csv.plan(text)
    assert (again.changes, again.same) == ([], 2)


def test_an_empty_cell_clears_and_a_missing_column_leaves_alone() -> None:
    a_can("1", name="Name", address="Street", latitude=1, longitude=2)

    facts_csv.apply(facts_csv.plan("can_id,name,latitude,longitude\n1,,,\n").changes, NOW)

    can = Can.objects.get()
    assert (can.name, can.address, can.latitude, can.longitude) == ("", "Street", None, None)


def test_coordinates_finer_than_a_hand_are_rounded() -> None:
    facts_csv.apply(facts_csv.plan("can_id,latitude,longitude\n1,50.0704055220591,14.4243152630637\n").changes, NOW)

    assert Can.objects.get().latitude == Decimal("50.070406")


def test_cans_are_retired_and_brought_back_by_a_column() -> None:
    before = NOW - timedelta(days=9)
    a_can("gone", retired_at=before)
    a_can("back", retired_at=before)
    a_can("cleared", retired_at=before)
    a_can("here", name="Bridge")
    text = "can_id,retired\ngone,yes\nback,no\ncleared,\nhere,Yes\nnew,yes\nplain,no\n"

    plan = facts_csv.plan(text)

    assert plan.errors == []
    assert plan.same == 1
    assert {change.can_id: dict(change.columns) for change in plan.changes} == {
        "back": {"retired": ("yes", "no")},
        "cleared": {"retired": ("yes", "no")},
        "here": {"retired": ("no", "yes")},
        "new": {"retired": ("no", "yes")},
        "plain": {},
    }
    facts_csv.apply(plan.changes, NOW)
    assert dict(Can.objects.values_list("can_id", "retired_at")) == {
        "gone": before, "back": None, "cleared": None, "here": NOW, "new": NOW, "plain": None,
    }  # fmt: skip
    assert Can.objects.get(can_id="here").name == "Bridge"
    assert facts_csv.plan(text).changes == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "can_id"),
        ("name\nx\n", "can_id"),
        ("can_id,colour\n1,red\n", "Unknown columns: colour"),
        ("can_id,name\n1,a,b\n", "more cells"),
        ("can_id,name\n1,a\n1,b\n", "twice"),
        ("can_id,name\n,a\n", "Line 2: can_id"),
        ("can_id\na/b\n", "Line 2: can_id"),
        ("can_id,latitude,longitude\n1,91,14\n", "Line 2: latitude"),
        ("can_id,latitude,longitude\n1,north,14\n", "Line 2: latitude"),
        ("can_id,lat\n1,50\n", "latitude and longitude, or neither"),
        ("can_id,retired\n1,maybe\n", "Line 2: retired: write yes or no"),
        ("can_id,name\n1," + "x" * 200 + "\n", "Line 2: name"),
        ('can_id,name\n1,"a\x00b"\n', "Line"),
        ("can_id,name\n1," + "x" * 131_073 + "\n", "Line 2 is not CSV: field larger"),
        ("can_id," + "x" * 131_073 + "\n1,a\n", "Line 1 is not CSV: field larger"),
        ("can_id,name\n" + "a/b,x\n" * 50, "Further lines"),
    ],
)
def test_errors_name_their_line(text: str, said: str) -> None:
    assert any(said in error for error in facts_csv.plan(text).errors)


@pytest.mark.parametrize("can_id", ["a/b", "a\nb", "420\n", "", "..", ".", "a\x85", "a\u2028b", " a", "x" * 129])
def test_an_id_that_no_report_can_have_is_refused(can_id: str) -> None:
    with pytest.raises(ValidationError, match="can_id"):
        Can(can_id=can_id).clean_fields()


@pytest.mark.usefixtures("shared_suffix")
def test_an_export_can_be_imported_again_and_changes_nothing(client: Client) -> None:
    now = datetime.now(UTC)
    streams = {"=back": "=glass", "=back of nobody": "glass", "=back entered": "glass", "=back of no stream": None}
    reports = [a_report(can_id, "99", now, stream=stream) for can_id, stream in streams.items()]
    store.put_reports(reports, now=now)
    facts = {"name": "'=1;-2", "address": " a;b", "latitude": Decimal("-33.9"), "longitude": Decimal("18.4")}
    a_can("=back", **{**facts, "address": "a;b"})
    a_can("=back entered", stream="paper")
    text = client.get("/reports/?format=csv&q==back").getvalue().decode()

    plan = facts_csv.plan(text)

    assert (plan.errors, plan.changes, plan.same) == ([], [], 4)
    # What somebody has changed in the file is entered.
    changed = facts_csv.plan(text.replace(",paper,", ",glass,").replace("nobody,,,glass,", "nobody,,,paper,"))
    assert {each.can_id: dict(each.columns) for each in changed.changes} == {
        "=back entered": {"stream": ("paper", "glass")}, "=back of nobody": {"stream": ("", "paper")},
    }  # fmt: skip


def test_other_names_and_semicolons_are_read_and_half_a_place_is_refused() -> None:
    plan = facts_csv.plan("Can_id;lat;lon\n1;50.1;14.2\n")
    assert plan.changes[0].columns == {"latitude": ("", "50.1"), "longitude": ("", "14.2")}

    plan = facts_csv.plan("Can_id;lat;lon\n1;50.1;14.2\n2;50.1;\na/b;1;1\n")
    assert plan.errors == [
        "Line 3: Enter both coordinates, or neither.",
        "Line 4: can_id: must have 1 to 128 characters, not be . or .., and hold no / or control character.",
    ]
