"""
Loaded by each Python that starts with this folder on PYTHONPATH: records the calls to AWS once trashsite.aws is there.

Nothing is imported before: a test's process must load what the real one loads, when the real one does.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType


class _Finder:
    """Finds trashsite.aws as Python does, and has it recorded when it was loaded."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != "trashsite.aws" or not (spec := PathFinder.find_spec(name, path, target)):
            return None
        load = spec.loader.exec_module

        def load_recorded(module: ModuleType) -> None:
            load(module)
            from tests.support import aws_calls

            aws_calls.install(module, Path(os.environ["AWS_CALLS"]))

        spec.loader.exec_module = load_recorded
        return spec


if os.environ.get("AWS_CALLS"):
    sys.meta_path.insert(0, _Finder())
