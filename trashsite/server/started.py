"""Tells the apps that this process serves the site: what runs beside requests begins then, and in no command."""

from __future__ import annotations

from django.dispatch import Signal

#: Sent once in each web process, when Django is ready.
web_started = Signal()
