"""A checked view of a TOML table: what is missing, of another type or not known is told with file, field and rule."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import Any


class InvalidModel(ValueError):
    """A model's file that cannot be used: which file, which field, which rule."""

    def __init__(self, file: str, field: str, rule: str) -> None:
        super().__init__(f"{file}: {field}: {rule}")
        self.file = file
        self.field = field
        self.rule = rule


class Table:
    """One table of a file; each value is taken once, and `finish` refuses what nobody took."""

    def __init__(self, file: str, where: str, values: object) -> None:
        self.file = file
        self.where = where
        if not isinstance(values, dict):
            raise InvalidModel(file, where or "the file", "must be a table")
        self._values: dict[str, Any] = dict(values)

    def fail(self, name: str, rule: str) -> InvalidModel:
        """Return the error that names this field of the file."""
        return InvalidModel(self.file, f"{self.where}.{name}".strip("."), rule)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def names(self) -> list[str]:
        """Return the names of what has not been taken yet."""
        return list(self._values)

    def take(self, name: str, kind: type | tuple[type, ...], rule: str, default: Any = None) -> Any:
        """Return a value of this type, or the default where there is none."""
        if name not in self._values:
            return default
        value = self._values.pop(name)
        # TOML's true is a number to Python.
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.fail(name, rule)
        return value

    def text(self, name: str, default: str | None = None) -> str:
        """Return a string that is not empty; required where there is no default."""
        found = self.take(name, str, "must be a string", default)
        if found is None:
            raise self.fail(name, "is required")
        return str(found)

    def one_of(self, name: str, allowed: Collection[str], default: str | None = None) -> str:
        """Return one of the allowed strings."""
        found = self.text(name, default)
        if found not in allowed:
            raise self.fail(name, f"must be one of {', '.join(allowed)}")
        return found

    def texts(self, name: str, *, is_required: bool = False) -> tuple[str, ...]:
        """Return an array of strings."""
        found = self.take(name, list, "must be an array of strings", [])
        if not all(isinstance(each, str) and each for each in found):
            raise self.fail(name, "must be an array of strings")
        if is_required and not found:
            raise self.fail(name, "is required")
        return tuple(found)

    def number(self, name: str, default: Decimal | None = None) -> Decimal | None:
        """Return a number as Decimal."""
        found = self.take(name, (int, Decimal), "must be a number", default)
        return None if found is None else Decimal(found)

    def numbers(self, name: str) -> frozenset[Decimal]:
        """Return an array of numbers."""
        found = self.take(name, list, "must be an array of numbers", [])
        if not all(isinstance(each, int | Decimal) and not isinstance(each, bool) for each in found):
            raise self.fail(name, "must be an array of numbers")
        return frozenset(Decimal(each) for each in found)

    def integer(self, name: str, default: int | None = None) -> int | None:
        """Return an integer."""
        found = self.take(name, int, "must be an integer", default)
        return None if found is None else int(found)

    def flag(self, name: str, default: bool) -> bool:
        """Return true or false."""
        return bool(self.take(name, bool, "must be true or false", default))

    def hex(self, name: str, default: str = "") -> bytes:
        """Return the bytes of a string of hexadecimal digits."""
        try:
            return bytes.fromhex(self.text(name, default))
        except ValueError:
            raise self.fail(name, "must be hexadecimal digits") from None

    def table(self, name: str) -> Table | None:
        """Return a table below this one, or None."""
        if name not in self._values:
            return None
        return Table(self.file, f"{self.where}.{name}".strip("."), self._values.pop(name))

    def tables(self, name: str) -> list[Table]:
        """Return an array of tables."""
        found = self.take(name, list, "must be an array of tables", [])
        where = f"{self.where}.{name}".strip(".")
        return [Table(self.file, f"{where}[{index}]", each) for index, each in enumerate(found)]

    def finish(self) -> None:
        """Raise InvalidModel for what nobody took: a field that is misspelt would otherwise do nothing."""
        for name in self._values:
            raise self.fail(name, "is not known")
