"""The app's registration with Django."""

from django.apps import AppConfig


class SimulatorConfig(AppConfig):
    """A fleet of simulated cans: a command, no models."""

    name = "simulator"
