"""
Look every locked package up among the known vulnerabilities that PyPI keeps, by pip-audit.

    python -m stack.audit UV      what `make audit` does; UV: where uv is, which fetches pip-audit for itself alone
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

PIP_AUDIT = "pip-audit==2.10.1"
#: The second holds all of requirements.txt.
LOCKS = (
    "stack/bootstrap.txt", "requirements-dev.txt", "stack/requirements.txt", "stack/aws-cli.txt",
    "stack/cloudformation.txt",
)  # fmt: skip
OUT_OF_REACH = (
    "PyPI's list of vulnerabilities cannot be reached from here (a mirror seldom has it): "
    "run this where `curl https://pypi.org/pypi/django/json` answers."
)


def main(uv: str) -> int:
    """Audit every lock file; return the exit status: 1 where something is known, 2 where nothing could be learnt."""
    locks = [option for lock in LOCKS for option in ("-r", lock)]
    command = [uv, "tool", "run", PIP_AUDIT, "--format=json", "--progress-spinner=off"]
    done = subprocess.run(
        [*command, "--require-hashes", "--disable-pip", *locks], capture_output=True, text=True, check=False
    )
    status, said = verdict(done.stdout)
    print(f"make audit: {said}", file=sys.stderr if status else sys.stdout)
    return status


def verdict(report: str) -> tuple[int, str]:
    """Return exit status and words for a report of pip-audit, which calls a package that it knows nothing of clean."""
    try:
        packages = json.loads(report)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return 2, OUT_OF_REACH
    if known := [line for package in packages for line in _known(package)]:
        return 1, "\n  ".join(["known vulnerabilities; `make upgrade` takes the newest releases", *known])
    if skipped := sum("skip_reason" in package for package in packages):
        return 2, f"{skipped} of {len(packages)} packages were not found. {OUT_OF_REACH}"
    return 0, f"{len(packages)} packages, none with a known vulnerability"


def _known(package: dict[str, Any]) -> Iterator[str]:
    for flaw in package.get("vulns", ()):
        mended = ", ".join(flaw["fix_versions"]) or "no release"
        yield f"{package['name']} {package['version']}: {flaw['id']}, mended in {mended}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
