"""The figures of a backtest as a Markdown table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reports.insight.backtest import Figures

_HEAD = (
    "stream", "method", "got full", "answered", "relative error (95 %)", "P90", "hours", "interval covers",
    "its width", "emptied first", "too early",
)  # fmt: skip


def table(figures: Iterable[Figures]) -> Iterator[str]:
    """Yield the lines of the table: medians, errors relative to the time left, "-" where there is no figure."""
    yield _row(_HEAD)
    yield _row(["---"] * len(_HEAD))
    for each in figures:
        spread = f" ({each.error_95[0]:.2f}-{each.error_95[1]:.2f})" if each.error_95 else ""
        yield _row(
            (
                each.stream,
                each.method,
                str(each.full),
                _number(each.answered),
                _number(each.error) + spread,
                _number(each.error_p90),
                _number(each.hours, 1),
                _number(each.covered),
                _number(each.width),
                str(each.emptied_first),
                _number(each.too_early),
            )
        )


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _number(figure: float | None, digits: int = 2) -> str:
    return "-" if figure is None else f"{figure:.{digits}f}"
