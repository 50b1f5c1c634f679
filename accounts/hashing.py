"""How passwords are hashed: as Django does, one at a time."""

from __future__ import annotations

import threading

from django.contrib.auth.hashers import PBKDF2PasswordHasher

_one = threading.Lock()


class OneAtATime(PBKDF2PasswordHasher):
    """
    Django's own; a process hashes one password at a time.

    A hash takes a core for half a second, on purpose, and leaves the others to other threads: without this, forty who
    sign in at once would take all cores. They wait for each other instead, in the places kept for sign-in.
    """

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        with _one:
            return super().encode(password, salt, iterations)
