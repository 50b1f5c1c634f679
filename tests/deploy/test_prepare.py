"""What a deployment runs before its services: by several at once, on the real databases."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
from django.core.management import CommandError, call_command

from reports import queue, store
from tests.support.postgresql import postgresql
from tests.support.servers import ROOT, eventually

PASSWORD = "mX2-vq81-Lw9t"


@pytest.fixture(scope="module")
def postgresql_url() -> Iterator[str]:
    with postgresql() as server:
        yield server.url


@pytest.fixture(params=["postgresql", "sqlite"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind, as DATABASE_URL names it."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'new' / 'db.sqlite3'}"
    url = str(request.getfixturevalue("postgresql_url"))
    name = f"new_{secrets.token_hex(4)}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{url.removesuffix('postgres')}{name}"


def start(*command: str, **environ: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT, env={**os.environ, **environ}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def run(*command: str, **environ: str) -> tuple[int, str]:
    """Return the exit status and all that was said."""
    with start(*command, **environ) as process:
        said, _ = process.communicate(timeout=120)
    return process.returncode, said


def test_two_that_wait_for_one_that_is_killed_make_one_schema_and_one_admin(suffix: str, database_url: str) -> None:
    hold = (
        "import django; django.setup(); import time\n"
        "from trashsite.database import database_lock\n"
        "with database_lock(): print('held', flush=True); time.sleep(600)"
    )
    environ = {"DATABASE_URL": database_url, "TRASH_ADMIN_PASSWORD": PASSWORD}
    holder = start("-c", hold, DATABASE_URL=database_url, DJANGO_SETTINGS_MODULE="trashsite.settings")
    assert holder.stdout and holder.stdout.readline() == "held\n"
    running = [start("manage.py", "prepare", **environ) for _ in range(2)]
    with pytest.raises(subprocess.TimeoutExpired):
        running[0].wait(3)
    assert running[1].poll() is None

    holder.kill()
    holder.communicate()

    said = [each.communicate(timeout=120)[0] for each in running]
    assert [each.returncode for each in running] == [0, 0], said
    assert "".join(said).count("Applying accounts.0001_initial... OK") == 1
    assert "".join(said).count("made the user admin") == 1
    # All migrations are there, and an admin: another run has nothing to do.
    status, again = run("manage.py", "prepare", **environ)
    assert (status, "No migrations to apply." in again, "admin" in again.splitlines()[-1]) == (0, True, False), again


# Without the mark django_db, whatever touches the database fails.
def test_a_missing_queue_or_table_is_told_before_the_database_is_touched(suffix: str) -> None:
    boto3.client("dynamodb").delete_table(TableName=f"trash-level-history-{suffix}")
    boto3.client("sqs").delete_queue(QueueUrl=queue.url_of(queue.ALERTS))

    with pytest.raises(CommandError) as told:
        call_command("prepare")

    assert str(told.value) == (
        f"queue trash-alerts-{suffix} does not exist: run `manage.py provision`\n"
        f"table trash-level-history-{suffix} does not exist: run `manage.py provision`"
    )


def test_a_missing_index_is_told_until_it_is_provisioned(suffix: str) -> None:
    gone: Any = {"Delete": {"IndexName": "by-heard"}}
    boto3.client("dynamodb").update_table(TableName=f"trash-levels-{suffix}", GlobalSecondaryIndexUpdates=[gone])

    assert eventually(store.flaws)

    with pytest.raises(CommandError) as told:
        call_command("prepare", "--check")

    assert str(told.value) == f"table trash-levels-{suffix} has no index by-heard: run `manage.py provision`"
    call_command("provision")
    call_command("prepare", "--check")


def test_a_worker_checks_without_a_database(suffix: str) -> None:
    said = StringIO()

    call_command("prepare", "--check", stdout=said)

    assert said.getvalue() == "queue and tables are as they should be\n"


def test_a_database_that_is_away_is_told_in_one_line_without_its_password(suffix: str) -> None:
    url = "postgres://trash:hunter2@127.0.0.1:1/trash"

    status, said = run("manage.py", "prepare", DATABASE_URL=url)

    assert status == 1
    assert "CommandError: The database of DATABASE_URL does not answer" in said
    assert "Traceback" not in said
    assert "hunter2" not in said


def test_a_folder_that_cannot_be_written_is_told(suffix: str) -> None:
    status, said = run("manage.py", "prepare", DATABASE_URL="sqlite:////dev/null/db.sqlite3")
    assert status == 1
    assert "Let this user write to the folder of SQLite's file." in said
    assert "Traceback" not in said
