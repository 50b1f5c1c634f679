"""The app's registration with Django."""

from django.apps import AppConfig


class ReportsConfig(AppConfig):
    """Reports of cans: taken in, stored, answered."""

    name = "reports"

    def ready(self) -> None:
        """Copy what workers must know whenever it changes, and look for what was not copied in each web process."""
        from reports.pending_entries import register_changed
        from reports.publishing import publish_changed, start_repair
        from trashsite.server.started import web_started

        register_changed.connect(publish_changed)
        web_started.connect(start_repair)
