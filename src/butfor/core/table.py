"""A small frozen table: what every result hands out, whatever frame library the user has."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from butfor.core.serial import public_value

Cell = str | float | int | bool | None


@public_value
@dataclass(frozen=True)
class Table:
    """Named columns of equal length."""

    names: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    @classmethod
    def of(cls, columns: Mapping[str, Iterable[Any]]) -> Table:
        """A table from columns; NumPy scalars become Python's own."""
        lists = [[_plain(v) for v in column] for column in columns.values()]
        return cls(tuple(columns), tuple(zip(*lists, strict=True)))

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, Cell]]:
        return iter(self.to_dicts())

    def column(self, name: str) -> list[Cell]:
        """The values of one column."""
        index = self.names.index(name)
        return [row[index] for row in self.rows]

    def to_dicts(self) -> list[dict[str, Cell]]:
        """One dict per row."""
        return [dict(zip(self.names, row, strict=True)) for row in self.rows]

    def to_dict(self) -> dict[str, list[Cell]]:
        """One list per column."""
        return {name: self.column(name) for name in self.names}

    def to_pandas(self) -> Any:
        """A pandas DataFrame."""
        import pandas as pd

        return pd.DataFrame(self.to_dict(), columns=list(self.names))

    def to_polars(self) -> Any:
        """A polars DataFrame."""
        import polars as pl

        return pl.DataFrame(self.to_dict(), strict=False)  # a column may hold 1 and 2.5

    def to_arrow(self) -> Any:
        """A pyarrow Table."""
        import pyarrow as pa

        return pa.table(self.to_dict())

    def to_markdown(self) -> str:
        """A Markdown table."""
        cells = [[format_cell(v) for v in row] for row in self.rows]
        lines = [list(self.names), ["---"] * len(self.names), *cells]
        return "\n".join("| " + " | ".join(map(_markdown_cell, line)) + " |" for line in lines)

    def to_html(self) -> str:
        """An HTML table, escaped."""
        head = "".join(f"<th>{html.escape(n.replace('_', ' '))}</th>" for n in self.names)
        body = "".join("<tr>" + "".join(_html_cell(v) for v in row) + "</tr>" for row in self.rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def __str__(self) -> str:
        cells = [list(self.names), *([format_cell(v) for v in row] for row in self.rows)]
        widths = [max(len(line[i]) for line in cells) for i in range(len(self.names))]
        return "\n".join("  ".join(c.rjust(w) for c, w in zip(line, widths, strict=True)) for line in cells)

    def _repr_html_(self) -> str:
        return self.to_html()


def _markdown_cell(text: str) -> str:
    return " ".join(text.splitlines()).replace("|", "\\|")


def _html_cell(value: Cell) -> str:
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    kind = ' class="number"' if numeric else ""
    return f"<td{kind}>{html.escape(format_cell(value))}</td>"


def format_cell(value: Cell) -> str:
    """A cell as a reader wants it: four significant digits, no trailing noise."""
    if value is None:
        return ""
    if isinstance(value, float):
        return "" if math.isnan(value) else format_number(value)
    return str(value)


def format_number(value: float, digits: int = 4) -> str:
    """A number with `digits` significant digits, thousands separated, no exponent between 1e-4 and 1e9."""
    if not math.isfinite(value):
        return str(value)
    if value == 0:
        return "0"
    if not 1e-4 <= abs(value) < 1e9:
        return f"{value:.{digits - 1}e}"
    rounded = float(f"{value:.{digits - 1}e}")  # 9.99996 is 10.00, not 10.000
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(rounded))))
    return f"{value:,.{decimals}f}"


def _plain(value: Any) -> Cell:
    return value.item() if hasattr(value, "item") else value
