"""trashsite: the fill level of each trash can of a city. Exports the Celery app, as `celery -A trashsite` expects."""

#: The only place of the version: pyproject.toml, the API's description and `manage.py --version` read it.
__version__ = "0.2.0"

from trashsite.celery import app as celery_app

__all__ = ("__version__", "celery_app")
