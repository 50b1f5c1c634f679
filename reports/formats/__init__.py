"""Turns what devices send into reports; each format is a module of its own."""

from reports.formats.native import dump, parse

__all__ = ("dump", "parse")
