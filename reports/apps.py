"""The app's registration with Django."""

from django.apps import AppConfig


class ReportsConfig(AppConfig):
    """Reports of cans: taken in, stored, answered."""

    name = "reports"
