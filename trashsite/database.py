"""Django's database: what says that it is out of reach, and the lock under which one process changes its schema."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.db import InterfaceError, OperationalError, connection

#: What Django raises while its database is out of reach. Any other of its errors is a defect of ours.
DATABASE_DOWN = (OperationalError, InterfaceError)
#: PostgreSQL's advisory locks have numbers for names; any number does that nobody else of this database uses.
_NUMBER = 7_281_970_432


@contextmanager
def database_lock() -> Iterator[None]:
    """
    Hold the lock of this database, waiting for whoever holds it now; a process that dies leaves it free.

    On PostgreSQL it belongs to this thread's connection, which must stay open meanwhile: PgBouncer must not pool by
    transaction. On SQLite it is a file beside the database's, so that it works on one machine alone.
    Raises django.db.OperationalError where the database is away, ImproperlyConfigured on any other kind of database.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [_NUMBER])
        try:
            yield
        finally:
            if connection.is_usable():
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_advisory_unlock(%s)", [_NUMBER])
    elif connection.vendor == "sqlite":
        path = Path(f"{connection.settings_dict['NAME']}.lock")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
    else:
        raise ImproperlyConfigured(
            f"{connection.vendor} is neither PostgreSQL nor SQLite: it has no lock that we know."
        )
