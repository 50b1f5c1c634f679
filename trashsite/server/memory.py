"""
The memory of a web process: what a rush took is given back within a minute.

Three allocators keep what was freed. The C library makes an arena for every few threads, each of which gives back only
what lies above its last block that is in use; so here it has one, and is told each half minute to give back all pages
that are free. granian's own, jemalloc, gives pages back only while it is used: how soon, and by whose use, it is told
before it is loaded (deploy/web.py). Python keeps an arena of a megabyte while one object in it lives: some 10 MB more.
docs/decisions/0050-memory-is-given-back.md has the figures.
"""

from __future__ import annotations

import ctypes
import time

EVERY_S = 30.0
#: Source: glibc, malloc.h: the parameter of mallopt that says how many arenas there may be.
_M_ARENA_MAX = -8
_libc = ctypes.CDLL(None)
#: musl and macOS have neither function.
CAN_GIVE_BACK = hasattr(_libc, "mallopt") and hasattr(_libc, "malloc_trim")


def use_one_arena() -> None:
    """
    Let all threads that begin from now on have one arena of the C library.

    One lock is enough for them: as a rule one of them runs Python, whose small objects lie elsewhere.
    """
    if CAN_GIVE_BACK:
        _libc.mallopt(_M_ARENA_MAX, 1)


def give_back() -> None:
    """Give back all free pages of the C library: some milliseconds without the interpreter's lock."""
    if CAN_GIVE_BACK:
        _libc.malloc_trim(0)


def watch() -> None:
    """Give them back each half minute until the process ends; for a thread of its own."""
    while CAN_GIVE_BACK:
        time.sleep(EVERY_S)
        give_back()
