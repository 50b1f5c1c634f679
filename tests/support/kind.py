"""Which pair of local servers the tests run against: the one that STACK names, as for `make run`."""

from __future__ import annotations

import os

from stack.servers import Kind

KIND: Kind = "java" if os.environ.get("STACK") == "java" else "embedded"
