"""
The third step: from a device's fields or bytes to a reading.

A model is data, one TOML file here for those that share a codec; docs/sensors.md tells how to add one. Files are
read and checked once, at the first uplink or when `load()` is called at start.
"""

from reports.formats.models.family import Family, Model
from reports.formats.models.interpretation import interpret
from reports.formats.models.loading import InvalidModel, load, read_family
from reports.formats.models.recognition import Chosen, choose

__all__ = ["Chosen", "Family", "InvalidModel", "Model", "choose", "interpret", "load", "read_family"]
