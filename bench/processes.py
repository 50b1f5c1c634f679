"""What processes have used, as the kernel reports: CPU to the nanosecond, and peak memory."""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")


def tree(*roots: int) -> list[int]:
    """Return these processes and all that descend from them."""
    parents: dict[int, int] = {}
    for stat in _PROC.glob("[0-9]*/stat"):
        with suppress(OSError):
            # The name, in brackets, may hold anything.
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    pids = list(roots)
    for pid in pids:
        pids += [child for child, parent in parents.items() if parent == pid]
    return pids


def cpu_s(pids: Iterable[int]) -> float:
    """Return the CPU time, user and system, that these processes have used, as far as they still run."""
    used = 0.0
    for pid in pids:
        with suppress(OSError):
            # Source: Linux, clock_getcpuclockid(3): the CPU clock of a process, all its threads counted.
            used += time.clock_gettime((~pid << 3) | 2)
    return used


def peak_mb(pid: int) -> float:
    """Return the peak of a process's resident memory; 0 where it has ended."""
    with suppress(OSError):
        if match := re.search(r"VmHWM:\s+(\d+) kB", (_PROC / str(pid) / "status").read_text()):
            return int(match[1]) / 1024
    return 0.0


def busy_s() -> float:
    """Return the CPU time used since the machine started, by its processes and, as steal, by its host."""
    # Source: Linux, proc(5), /proc/stat: user nice system idle iowait irq softirq steal, in ticks.
    ticks = [int(text) for text in (_PROC / "stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def wait_for_quiet(most_s: float, *, busy: float = 0.1, window_s: float = 0.5) -> None:
    """Wait, for at most `most_s`, until not more than the share `busy` of the machine's CPU is used."""
    deadline = time.monotonic() + most_s
    while time.monotonic() + window_s < deadline:
        before = busy_s()
        time.sleep(window_s)
        if busy_s() - before < busy * window_s * (os.cpu_count() or 1):
            return


def machine() -> dict[str, object]:
    """Return the properties of the machine on which the figures depend."""
    cpu = re.search(r"model name\s*:\s*(.+)", (_PROC / "cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s+(\d+)", (_PROC / "meminfo").read_text())
    return {
        "cpu": cpu[1] if cpu else platform.processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(int(memory[1]) / 2**20, 1) if memory else None,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_at_start": round(os.getloadavg()[0], 2),
    }
