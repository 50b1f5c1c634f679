"""Django as a WSGI application; `trashsite.server` serves it."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

from trashsite.server.started import web_started
from trashsite.settings import require_site

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trashsite.settings")  # noqa: TID251
require_site()
application = get_wsgi_application()
web_started.send(None)
