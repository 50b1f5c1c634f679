"""Django as a WSGI application; `trashsite.server` serves it."""

from __future__ import annotations

import os

import django

from trashsite.server.handler import Handler
from trashsite.server.started import web_started
from trashsite.settings import require_site

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trashsite.settings")  # noqa: TID251
require_site()
django.setup(set_prefix=False)
application = Handler()
web_started.send(None)
