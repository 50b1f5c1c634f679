"""Which tests also run on the Java servers, DynamoDB Local and ElasticMQ: `make servers test STACK=java`."""

from __future__ import annotations

import os

import pytest

#: Left out of `make test`: they start in seconds, and answer many times slower than the embedded ones.
NEEDS_JAVA = pytest.mark.skipif(os.environ.get("STACK") != "java", reason="runs by: make servers test STACK=java")
