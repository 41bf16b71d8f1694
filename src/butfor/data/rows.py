"""Columns in memory, the same whatever frame, file or engine they came from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import isnan
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import NonNumeric, UnknownColumn
from butfor.data.content import RowArray
from butfor.data.sample import BoolArray, FloatArray, IntArray, Loss
from butfor.question.question import Level

FIRST_ROWS = 64


@dataclass(frozen=True, eq=False)
class Numbers:
    """Numbers or booleans as float64; NaN where missing.

    `exact` has the integers themselves where some are too large for float64, so that identifiers stay apart.
    """

    name: str
    values: FloatArray
    boolean: bool = False
    exact: NDArray[Any] | None = None

    @property
    def kind(self) -> Literal["number", "boolean"]:
        """What the column holds."""
        return "boolean" if self.boolean else "number"

    @cached_property
    def span(self) -> tuple[float, float]:
        """Smallest and largest value; NaN when one is missing or there are none."""
        if len(self.values) == 0:
            return np.nan, np.nan
        return float(self.values.min()), float(self.values.max())

    @cached_property
    def finite(self) -> bool:
        """No value is missing or infinite. A finite sum tells so in one pass."""
        with np.errstate(invalid="ignore", over="ignore"):
            total = np.add.reduce(self.values)
        return bool(np.isfinite(total) or np.isfinite(self.values).all())

    @cached_property
    def constant(self) -> bool:
        """All values are the same; most columns show in their first rows that they are not."""
        start = self.values[:FIRST_ROWS]
        return len(start) > 0 and bool(np.all(start == start[0])) and bool(np.all(self.values == start[0]))

    def missing(self) -> BoolArray:
        """Which values are missing."""
        return np.zeros(len(self.values), dtype=np.bool_) if self.finite else np.isnan(self.values)

    def take(self, rows: RowArray) -> Numbers:
        """The column in these rows."""
        return replace(self, values=self.values[rows], exact=None if self.exact is None else self.exact[rows])

    def distinct(self) -> tuple[IntArray, tuple[Level, ...]]:
        """The code of every value and the levels that occur, in sorted order. Nothing may be missing."""
        values = self.values if self.exact is None else self.exact
        low, high = self.span
        if self.exact is None and bool(np.all((values == low) | (values == high))):
            levels = np.unique([low, high])
            codes = (values == high).astype(np.int32) if len(levels) == 2 else np.zeros(len(values), dtype=np.int32)
        else:
            levels, inverse = np.unique(values, return_inverse=True)
            codes = inverse.astype(np.int32)
        return codes, tuple(self._level(v) for v in levels.tolist())

    def _level(self, value: float) -> Level:
        if self.boolean:
            return bool(value)
        return int(value) if value == int(value) else value


@dataclass(frozen=True, eq=False)
class Categories:
    """Codes into levels in sorted order; −1 where missing."""

    name: str
    codes: IntArray
    levels: tuple[Level, ...]

    @property
    def kind(self) -> Literal["category"]:
        """What the column holds."""
        return "category"

    def missing(self) -> BoolArray:
        """Which values are missing."""
        return self.codes < 0

    def take(self, rows: RowArray) -> Categories:
        """The column in these rows."""
        return replace(self, codes=self.codes[rows])

    def distinct(self) -> tuple[IntArray, tuple[Level, ...]]:
        """The code of every value and the levels that occur, in sorted order. Nothing may be missing."""
        used = np.bincount(self.codes, minlength=len(self.levels)) > 0
        if used.all():
            return self.codes, self.levels
        renumbered = (np.cumsum(used) - 1).astype(np.int32)
        return renumbered[self.codes], tuple(level for level, u in zip(self.levels, used.tolist(), strict=True) if u)


@dataclass(frozen=True, eq=False)
class Others:
    """Dates and anything else that is neither number nor category; `what` says it in words.

    `identifiers` tell the values apart where that makes sense (dates do for clusters, lists do not).
    """

    name: str
    what: str
    absent: BoolArray
    identifiers: NDArray[np.int64] | None = None

    @property
    def kind(self) -> Literal["other"]:
        """What the column holds."""
        return "other"

    def missing(self) -> BoolArray:
        """Which values are missing."""
        return self.absent

    def take(self, rows: RowArray) -> Others:
        """The column in these rows."""
        ids = self.identifiers
        return replace(self, absent=self.absent[rows], identifiers=None if ids is None else ids[rows])

    def distinct(self) -> tuple[IntArray, tuple[Level, ...]]:
        """The code of every value and the identifiers that occur, in sorted order. Nothing may be missing."""
        if self.identifiers is None:
            raise NonNumeric(
                f"Column {self.name!r} holds {self.what}; an analysis needs numbers, booleans or text.",
                hint=f"derive a number or a category from {self.name!r} first",
            )
        levels, inverse = np.unique(self.identifiers, return_inverse=True)
        return inverse.astype(np.int32), tuple(levels.tolist())


Column = Numbers | Categories | Others


@dataclass(frozen=True, eq=False)
class Rows:
    """Columns of equal length by name. Arrays are read-only and may be views: nobody writes to them.

    `loss` says what was left out since the data were read, and `incomplete` are the rows before that.
    """

    columns: Mapping[str, Column]
    n: int
    source: str = ""
    loss: Loss = field(default_factory=lambda: Loss(0, 0))
    incomplete: Rows | None = None

    @classmethod
    def of(cls, columns: Iterable[Column], n: int, *, source: str = "") -> Rows:
        """Rows as they were read: nothing lost yet."""
        return cls({c.name: c for c in columns}, n, source, Loss(n, n))

    def column(self, name: str, *, role: str) -> Column:
        """The column of this name.

        Raises:
            UnknownColumn: with the nearest name that exists.
        """
        if name not in self.columns:
            raise UnknownColumn.named(name, self.columns, role=role)
        return self.columns[name]

    def batches(self, size: int) -> Iterator[Rows]:
        """These rows in their order, at most `size` at a time."""
        for start in range(0, self.n, size):
            yield self.take(np.arange(start, min(start + size, self.n)))

    def take(self, rows: RowArray) -> Rows:
        """These rows only."""
        columns = {name: column.take(rows) for name, column in self.columns.items()}
        count = int(np.count_nonzero(rows)) if rows.dtype == np.bool_ else len(rows)
        return replace(self, columns=columns, n=count)


def sorted_categories(name: str, codes: NDArray[Any], levels: list[Level | None]) -> Categories:
    """Categories whose levels are put in sorted order; a level that is None or NaN means missing."""
    known = [j for j, level in enumerate(levels) if not (level is None or (isinstance(level, float) and isnan(level)))]
    known.sort(key=lambda j: _order(levels[j]))
    renumbered = np.full(len(levels) + 1, -1, dtype=np.int32)
    renumbered[known] = np.arange(len(known), dtype=np.int32)
    return Categories(name, renumbered[codes], tuple(level for j in known if (level := levels[j]) is not None))


def _order(level: Level | None) -> tuple[bool, float, str]:
    """Numbers before text, numbers by size, text by alphabet."""
    text = isinstance(level, str)
    return text, 0.0 if text or level is None else float(level), str(level)
