"""A short name for the code as it is now, by which bench and fault suite know results of other code."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from tests.support.servers import ROOT


def code_digest(patterns: Iterable[str]) -> str:
    """Return 12 hexadecimal digits over the names and bytes of all files that match; patterns: as Path.glob takes."""
    digest = hashlib.sha256()
    for pattern in patterns:
        for path in sorted(ROOT.glob(pattern)):
            digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()[:12]
