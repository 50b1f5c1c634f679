"""
Fetch what the image installs, for each architecture that the template offers, and look into it: `make wheels`.

It shows that each locked package has a wheel there, whose hash is a locked one, and that all native code in it is of
that architecture. Nothing of it is run.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.support.servers import ROOT

UV = ROOT / "stack/.uv/bin/uv"
#: What the Dockerfile installs: the installer, and the packages without and with tracing.
FILES = ("stack/bootstrap.txt", "requirements.txt", "requirements-tracing.txt")
#: By the template's name: uv's name, with the C library of the base image's Debian, and ELF's number of the machine.
PLATFORMS: Mapping[str, tuple[str, int]] = {
    "X86_64": ("x86_64-manylinux_2_36", 62),
    "ARM64": ("aarch64-manylinux_2_36", 183),
}


def main() -> int:
    """Fetch, check, and say what was found; return the exit status."""
    (version,) = re.findall(r"^ARG BASE=\S+/python:(\d+\.\d+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    status = 0
    for architecture, (platform, machine) in PLATFORMS.items():
        for file in FILES:
            with tempfile.TemporaryDirectory() as folder:
                fetched = fetch(file, version, platform, folder)
                packages, native, foreign = looked_into(Path(folder), machine)
            found = f"{packages} packages, {native} files of native code, {len(foreign)} of them of others"
            print(f"{architecture} {file}: {found}")
            if not fetched or not native or foreign:
                print("\n".join(["not all have a wheel", *foreign]), file=sys.stderr)
                status = 1
    return status


def fetch(file: str, version: str, platform: str, folder: str) -> bool:
    """Unpack the wheels of all packages that a file locks; return whether each was there, with its hash."""
    wheels_alone = ("--no-deps", "--require-hashes", "--only-binary", ":all:", "--python-platform", platform)
    where = ("--python-version", version, "--target", folder, "-r", str(ROOT / file))
    command = [str(UV), "pip", "install", "--quiet", "--no-cache", *wheels_alone, *where]
    return subprocess.run(command, check=False).returncode == 0


def looked_into(folder: Path, machine: int) -> tuple[int, int, list[str]]:
    """Return how many packages there are, how many files of native code, and those that are of another machine."""
    native, foreign = 0, []
    for path in folder.rglob("*"):
        if path.is_file() and (head := path.open("rb").read(20))[:4] == b"\x7fELF":
            native += 1
            if int.from_bytes(head[18:20], "little") != machine:
                foreign.append(str(path.relative_to(folder)))
    return len(list(folder.glob("*.dist-info"))), native, foreign


if __name__ == "__main__":
    sys.exit(main())
