"""API tokens, stored as digests, and the permissions that belong to no model."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q

#: The prefix of each key, by which secret scanners and people recognise one.
PREFIX = "trash_"
#: Of one user: tokens that give access at one time; and those that are over, of which older ones are deleted.
MOST_ACTIVE, MOST_ENDED = 20, 50
#: The use of a token is written to the database at most once in this time.
USE_NOTED_EVERY = timedelta(minutes=1)


class Right(models.Model):
    """Has no table: defines the permissions that belong to no model, which the roles include."""

    class Meta:
        managed = False
        default_permissions = ()
        permissions = (
            ("post_reports", "Can post reports through the API"),
            ("see_pipeline", "Can see the queue, the workers and the dead letters"),
            ("redrive", "Can send dead letters back or discard them"),
        )


class Token(models.Model):
    """
    A key to the API, with its user's permissions.

    The key is shown once, when it is created; only its SHA-256 is stored. Its 256 random bits need no slow hash.
    read_only: it permits no changes, whatever its user's permissions.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=64, help_text="what uses it, so that it can be told from the others")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    read_only = models.BooleanField(default=False, help_text="it may look, and change nothing")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="empty: never")
    revoked_at = models.DateTimeField(null=True, blank=True, help_text="refused from then on")
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="to the minute")

    #: Of a token made in this request, its key, to be shown once; never stored.
    key = ""

    class Meta:
        ordering = ("user", "name")

    def __str__(self) -> str:
        return f"{self.name} ({self.user.get_username()})"

    def state(self, now: datetime) -> str:
        """Return "active", "revoked" or "expired" at this instant."""
        if self.revoked_at is not None and self.revoked_at <= now:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "active"

    def usable(self, now: datetime) -> bool:
        """Return whether it gives access at this instant."""
        return self.state(now) == "active" and self.user.is_active

    def note_use(self, now: datetime) -> None:
        """Store the time of use, unless one within the last minute is stored."""
        due = now - USE_NOTED_EVERY
        if self.last_used_at is None or self.last_used_at <= due:
            # The same condition in the database: of many requests at once, one writes.
            not_noted = Q(last_used_at=None) | Q(last_used_at__lte=due)
            Token.objects.filter(not_noted, pk=self.pk).update(last_used_at=now)


def new_key() -> str:
    """Return a new key for a token: PREFIX and 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


def digest(key: str) -> str:
    """Return the digest of a key, which is stored in its place."""
    return hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()
