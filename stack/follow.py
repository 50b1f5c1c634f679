"""
Become another program that ends when its parent does, however the parent ends.

    python -I -S follow.py SIGNAL PARENT PROGRAM ARGUMENT...

A stand-in that outlives a killed `make run` would hold its port and its data. Linux sends SIGNAL to a
process whose parent has died, if it asks for that; elsewhere this only becomes PROGRAM. PARENT is the process
that must live. A program of its own: code between fork and exec is not safe in a process with threads.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(signal: int, argv: list[str], parent: int) -> None:
    """Ask for `signal` at the death of `parent`, then be `argv`."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0)
        # It may have died before the request.
        if parent and os.getppid() != parent:
            sys.exit(1)
    os.execvp(argv[0], argv)  # noqa: S606


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[3:], int(sys.argv[2]))
