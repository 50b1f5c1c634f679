"""Request bodies that hold reports: handed on as the text that came, since the wire alone judges them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any

from django.http import QueryDict
from rest_framework.parsers import BaseParser

from reports.problems import TooLarge

#: SQS takes no larger message.
MAX_BYTES = 1024 * 1024


def read(stream: IO[bytes], most: int) -> bytes:
    """Read a body of at most so many bytes. Raises TooLarge, having read one byte too many and no more."""
    body = stream.read(most + 1)
    if len(body) > most:
        raise TooLarge(f"Reports may be {most:,} bytes long at most. Send them in several requests.")
    return body


class ReportParser(BaseParser):
    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        return read(stream, MAX_BYTES)


class ReportFormParser(BaseParser):
    """The page's form: a report in fields, or any JSON in the field `report`."""

    media_type = "application/x-www-form-urlencoded"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        # Escaped, a byte is three.
        form = QueryDict(read(stream, 3 * MAX_BYTES))
        text = form.get("report", "").strip()
        if not text:
            fields = {name: form.get(name, "").strip() for name in ("can_id", "level", "measured_at")}
            text = json.dumps({name: value for name, value in fields.items() if value})
        if len(text) > MAX_BYTES:
            raise TooLarge
        return text.encode(errors="surrogatepass")
