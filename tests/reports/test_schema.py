"""The OpenAPI schema against the API: no answer that it does not describe, and never a 5xx."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import pytest
import schemathesis
from django.contrib.auth.models import User
from django.core.management import call_command
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck
from hypothesis import settings as examples
from pytest_django.fixtures import Settings
from schemathesis import Case

from accounts.models import Token, digest
from accounts.roles import give_role, make_roles
from reports import store
from reports.wire import Report
from trashsite.wsgi import application

pytestmark = [pytest.mark.usefixtures("shared_pipeline"), pytest.mark.django_db]

KEY = "trash_schema"


def test_the_schema_is_valid_and_every_answer_is_described(tmp_path: object) -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", os.devnull)


@pytest.fixture
def olga(shared_pipeline: str, settings: Settings) -> None:
    """An operator with a token, and two cans."""
    settings.TRASH_READS = "authenticated"
    make_roles()
    user = User.objects.create_user("olga")
    give_role(user, "operator")
    Token.objects.create(user=user, name="test", digest=digest(KEY))
    now = datetime.now(UTC)
    store.beat(store.Heartbeat("worker", now, {}))
    store.put_reports([Report("420", "70.69", now, now), Report("0", "5", now, now)], now=now)


schema = schemathesis.openapi.from_dict(SchemaGenerator().get_schema(public=True)).exclude(path="/api/schema/")
schema.app = application


@schema.parametrize()
@examples(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_the_schema_says(olga: None, case: Case) -> None:
    # No client can make up a cursor; and an empty field of a form is taken as one that is not there.
    skipped = [schemathesis.checks.positive_data_acceptance, schemathesis.checks.negative_data_rejection]
    case.call_and_validate(headers={"Authorization": f"Bearer {KEY}"}, excluded_checks=skipped)
