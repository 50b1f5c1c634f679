"""trashsite: how full every bin of a city is. Exports the Celery app, as `celery -A trashsite` expects."""

from trashsite.celery import app as celery_app

__all__ = ("celery_app",)
