"""Request bodies that hold reports: handed on as the text that came, since reports.formats alone judges them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any

from django.http import QueryDict
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from reports.queue import MAX_BYTES
from reports.web.problems import InvalidQuery, TooLarge

#: Of a file of facts.
MAX_CSV_BYTES = 2_000_000


def read(stream: IO[bytes], most: int) -> bytes:
    """Read a body of at most so many bytes. Raises TooLarge, having read one byte too many and no more."""
    body = stream.read(most + 1)
    if len(body) > most:
        raise TooLarge(f"A body may be {most:,} bytes long at most. Send it in several requests.")
    return body


class BoundedParser(BaseParser):
    """A body of at most `most_bytes`; what it is taken for is said by `value`."""

    most_bytes = MAX_BYTES

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        return self.value(read(stream, self.most_bytes))

    def value(self, body: bytes) -> Any:
        """Return what a body holds. Raises InvalidQuery."""
        return body


class ReportParser(BoundedParser):
    """Reports as the bytes that came."""

    media_type = "application/json"


class ChoiceParser(BoundedParser):
    """JSON that says what is to be done: bounded in bytes, and no 500 however deep it nests."""

    media_type = "application/json"

    def value(self, body: bytes) -> Any:
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise InvalidQuery("message", "must be JSON") from None


class CSVParser(BoundedParser):
    """A CSV file as text."""

    media_type = "text/csv"
    most_bytes = MAX_CSV_BYTES

    def value(self, body: bytes) -> str:
        try:
            return body.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise InvalidQuery("file", "must be UTF-8") from None


def csv_text(request: Request) -> str:
    """Return the CSV that was sent, "" where the request has no body: of that the framework makes an empty dict."""
    sent: Any = request.data
    return sent if isinstance(sent, str) else ""


class ReportFormParser(BoundedParser):
    """The page's form: a report in fields, or any JSON in the field `report`."""

    media_type = "application/x-www-form-urlencoded"
    # Escaped, a byte is three. The CSRF check of a session looks into the form, too.
    most_bytes = 3 * MAX_BYTES

    def value(self, body: bytes) -> QueryDict:
        return QueryDict(body)


def reports_in(data: Any) -> bytes:
    """Return the text of the reports in a request's data, as either parser leaves it. Raises InvalidQuery, TooLarge."""
    if isinstance(data, bytes):
        return data
    if data and not {"report", "can_id", "level"} & data.keys():
        # Most often JSON that curl has called a form.
        rule = "must be JSON with the header Content-Type: application/json, or a form with can_id and level"
        raise InvalidQuery("message", rule)
    text = data.get("report", "").strip()
    if not text:
        fields = {name: data.get(name, "").strip() for name in ("can_id", "level", "measured_at")}
        # Nothing at all is an empty body: of a request without one, the framework makes an empty dict.
        sent = {name: value for name, value in fields.items() if value}
        text = json.dumps(sent) if sent else ""
    body = bytes(text.encode(errors="surrogatepass"))
    if len(body) > MAX_BYTES:
        raise TooLarge
    return body
