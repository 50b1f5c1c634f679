"""
The numbers behind a process's metrics: in memory, or in files that another process reads at any time.

The files are those of prometheus_client's multiprocess mode. Its own numbers look for a fork at each count, find their
place in the file anew, and have a lock each: seven calls, where these need one (trashsite.exposition makes new ones
after a fork). Whoever counts several at once holds `lock` and adds to what is `kept` of each.
"""

from __future__ import annotations

import os
import threading
from array import array
from pathlib import Path
from typing import Any, TypeAlias

from prometheus_client.mmap_dict import MmapedDict, mmap_key

#: Of a new file, which holds zeros: no number.
NEW_BYTES = 1 << 16
#: Held while a number of this process changes.
lock = threading.Lock()
#: A number, and when it was set.
Kept: TypeAlias = "memoryview[float]"
#: The files stay open until the process ends, also those of its parent in a process that was forked.
_opened: list[Any] = []


def _forget_lock() -> None:
    """Begin with a free lock in a process that was forked while another thread held it."""
    global lock  # noqa: PLW0603
    lock = threading.Lock()


os.register_at_fork(after_in_child=_forget_lock)


class Number:
    """One number in memory, as prometheus_client makes one of each."""

    _multiprocess = False
    kept: Kept

    def __init__(self, *_: Any, **__: Any) -> None:
        self.kept = memoryview(array("d", (0.0, 0.0)))

    def inc(self, amount: float) -> None:
        with lock:
            self.kept[0] += amount

    def set(self, value: float, timestamp: float | None = None) -> None:
        with lock:
            self.kept[0], self.kept[1] = value, timestamp or 0.0

    def get(self) -> float:
        return self.kept[0]

    def set_exemplar(self, exemplar: Any) -> None:
        """Keep none: the files have no place for it."""

    def get_exemplar(self) -> None:
        return None


def numbers_in(folder: Path, slot: int) -> type[Number]:
    """Return the class of the numbers that are kept in the files of a slot."""
    files: dict[str, Any] = {}

    class NumberInFile(Number):
        """kind, mode: which file it is in; the rest: the key under which it is found there."""

        _multiprocess = True

        def __init__(self, kind: str, *key: Any, multiprocess_mode: str = "", **_: Any) -> None:
            name = f"{kind}_{multiprocess_mode}" if kind == "gauge" else kind
            with lock:
                if name not in files:
                    files[name] = _opened_file(folder / f"{name}_{slot}.db")
                    _opened.append(files[name])
                file, text = files[name], mmap_key(*key)
                file.read_value(text)
                at = file._positions[text]
                # The file may grow meanwhile, which moves neither.
                self.kept = memoryview(file._m)[at : at + 16].cast("d")

    return NumberInFile


def _opened_file(path: Path) -> Any:
    """Open a file of numbers. A new one has its size before its name: who reads an empty one fails, and so all."""
    if not path.exists():
        new = path.with_suffix(".new")
        new.write_bytes(bytes(NEW_BYTES))
        new.rename(path)
    return MmapedDict(str(path))  # type: ignore[no-untyped-call]
