"""Django as a WSGI application; `trashsite.server` serves it."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trashsite.settings")  # noqa: TID251
application = get_wsgi_application()
