"""Settings of the site with short deadlines and few places, for test_server.py."""

from __future__ import annotations

from trashsite.server import bodies, connections, streams
from trashsite.settings import *  # noqa: F403

ROOT_URLCONF = "tests.trashsite.server.impatient_urls"

bodies.GRACE_S = 1.0
bodies.MOST_BODIES = 40
streams.MOST_STREAMS = 8
streams.PATIENCE_S = 2.0
# Of 8192 connections.
connections.HIGH_PERCENT, connections.LOW_PERCENT = 2, 1
connections.READER_S, connections.READERS_EVERY_S = 2.0, 0.5
