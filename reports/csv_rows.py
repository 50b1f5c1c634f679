"""Lines of a CSV file as people hand one in: `,` or `;` between cells, a first line that names the columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence

MOST_ERRORS = 20


class WrongLines(ValueError):
    """A file of which nothing was taken: what is wrong, line by line."""

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__(f"{len(errors)} errors")
        self.errors = list(errors)


class Rows:
    """
    The lines of a CSV file after the first one.

    columns: as the first line names them, trimmed and in lower case, some by other names. Raises WrongLines where that
    line is not CSV.
    """

    def __init__(self, text: str, aliases: Mapping[str, str]) -> None:
        text = text.removeprefix("\ufeff")
        first_line = text.partition("\n")[0]
        delimiter = ";" if first_line.count(";") > first_line.count(",") else ","
        self._rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
        try:
            words = [name.strip().casefold() for name in self._rows.fieldnames or ()]
        except csv.Error as error:
            raise WrongLines([self._not_csv(error)]) from None
        self.columns = self._rows.fieldnames = [aliases.get(word, word) for word in words]

    def errors(self, take: Callable[[dict[str, str]], Iterable[str]]) -> list[str]:
        """
        Give each line to `take`, its trimmed cells by column, and return what is wrong, until that is 20 errors.

        take: returns what is wrong with a line.
        """
        found: list[str] = []
        try:
            for row in self._rows:
                found += self._wrong(row, take)
                if len(found) >= MOST_ERRORS:
                    return [*found, "Further lines were not looked at."]
        except csv.Error as error:
            found.append(self._not_csv(error))
        return found

    def _wrong(self, row: Mapping[str, str | None], take: Callable[[dict[str, str]], Iterable[str]]) -> list[str]:
        line = f"Line {self._rows.line_num}"
        if None in row:
            return [f"{line} has more cells than the first line."]
        cells = {name: (value or "").strip() for name, value in row.items()}
        # PostgreSQL takes no NUL, and no page shows it.
        if any("\x00" in value for value in cells.values()):
            return [f"{line} holds a NUL character."]
        return [f"{line}: {each}" for each in take(cells)]

    def _not_csv(self, error: csv.Error) -> str:
        # DictReader's own line_num is that of the last line that it could read.
        return f"Line {self._rows.reader.line_num} is not CSV: {error}."
