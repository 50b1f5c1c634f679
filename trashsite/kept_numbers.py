"""
The numbers behind a process's metrics, in files that another process reads at any time.

The files are those of prometheus_client's multiprocess mode. Its own numbers look for a fork at each count, and find
their place in the file anew: seven calls, where these need one (trashsite.exposition makes new ones after a fork).
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from prometheus_client.mmap_dict import MmapedDict, mmap_key

#: Of a new file, which holds zeros: no number.
NEW_BYTES = 1 << 16
#: The files stay open until the process ends, also those of its parent in a process that was forked.
_opened: list[Any] = []


def _opened_file(path: Path) -> Any:
    """Open a file of numbers. A new one has its size before its name: who reads an empty one fails, and so all."""
    if not path.exists():
        new = path.with_suffix(".new")
        new.write_bytes(bytes(NEW_BYTES))
        new.rename(path)
    return MmapedDict(str(path))  # type: ignore[no-untyped-call]


def numbers_in(folder: Path, slot: int) -> type:
    """Return the class of the numbers that are kept in the files of a slot, as prometheus_client makes one of each."""
    files: dict[str, Any] = {}
    lock = threading.Lock()

    class Number:
        """One number. kind, mode: which file it is in; the rest: the key under which it is found there."""

        _multiprocess = True

        def __init__(self, kind: str, *key: Any, multiprocess_mode: str = "", **_: Any) -> None:
            name = f"{kind}_{multiprocess_mode}" if kind == "gauge" else kind
            with lock:
                if name not in files:
                    files[name] = _opened_file(folder / f"{name}_{slot}.db")
                    _opened.append(files[name])
                file, text = files[name], mmap_key(*key)
                self._number, _ = file.read_value(text)
                at = file._positions[text]
                # The number and its time; the file may grow meanwhile, which moves neither.
                self._kept = memoryview(file._m)[at : at + 16].cast("d")

        def inc(self, amount: float) -> None:
            with lock:
                self._number += amount
                self._kept[0] = self._number

        def set(self, value: float, timestamp: float | None = None) -> None:
            with lock:
                self._number = value
                self._kept[0], self._kept[1] = value, timestamp or 0.0

        def get(self) -> float:
            return float(self._number)

        def set_exemplar(self, exemplar: Any) -> None:
            """Keep none: the files have no place for it."""

        def get_exemplar(self) -> None:
            return None

    return Number
