"""CSV files: cells that no spreadsheet takes for a formula, how they are read back, and a whole file as an answer."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from django.http import HttpResponse

CONTENT_TYPE = "text/csv; charset=utf-8"

#: What a spreadsheet takes for the beginning of a formula; the wide forms are the same to a Japanese one. Where a
#: comma is the decimal sign, it splits cells at `;` too. Source: OWASP, CSV Injection.
_BEGINS = r"(?=['\s]*[=+\-@＝＋－＠]|'*[\t\r\n])"  # noqa: RUF001
_FORMULA = re.compile(rf"(^|;){_BEGINS}")
_HARMLESS = re.compile(rf"(^|;)'{_BEGINS}")
#: A negative number runs nothing, and any other program than a spreadsheet needs it as it is.
_NUMBER = re.compile(r"-[0-9]+(\.[0-9]+)?\Z")


def harmless(cell: str) -> str:
    """
    Return a cell that no spreadsheet runs: an apostrophe stands where it, or its text after a `;`, is a formula.

    A number stays as it is.
    """
    return cell if _NUMBER.match(cell) else _FORMULA.sub(r"\1'", cell)


def as_it_was(cell: str) -> str:
    """Return the cell of which `harmless` made this one; any other stays as it is."""
    return _HARMLESS.sub(r"\1", cell)


def lines(rows: Iterable[Sequence[str]]) -> bytes:
    """Return rows as lines of a file; half of a surrogate pair, which UTF-8 cannot hold, as its escape."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([harmless(cell) for cell in row] for row in rows)
    return text.getvalue().encode(errors="backslashreplace")


def csv_file(
    name: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    headers: Mapping[str, str] = MappingProxyType({}),
) -> HttpResponse:
    """Answer with a whole file under a name: a line that names the columns, then the rows. headers: further ones."""
    told = {**headers, "Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(lines([columns, *rows]), content_type=CONTENT_TYPE, headers=told)
