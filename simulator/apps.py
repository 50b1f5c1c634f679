"""The app's registration with Django."""

from django.apps import AppConfig


class SimulatorConfig(AppConfig):
    """A fleet of simulated cans; it has a command and no models."""

    name = "simulator"
