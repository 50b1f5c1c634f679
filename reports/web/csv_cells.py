"""Cells of a CSV file that no spreadsheet takes for a formula, and how they are read back."""

from __future__ import annotations

import re

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
