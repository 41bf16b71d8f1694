"""The columns that a graph is learned from: numbers or categories, complete, varying, none determined by the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from butfor.core.errors import (
    Collinear,
    ConstantColumn,
    InvalidSetting,
    MethodMismatch,
    NonNumeric,
    TooFewRows,
)
from butfor.data.content import Content
from butfor.data.dataset import open_dataset
from butfor.data.missing import MissingPolicy, complete_rows
from butfor.data.request import Request
from butfor.data.rows import Categories, Column, Numbers, Rows
from butfor.data.sample import FloatArray, IntArray

Scale = Literal["numbers", "categories"]
# A column with no more values than this counts as categories when a test is picked.
FEW_VALUES = 10
# Contingency tables with more levels than this are empty almost everywhere.
MOST_LEVELS = 20
FEWEST_ROWS = 20
# Of the smallest eigenvalue of a correlation matrix: what is left of a column that the others determine is rounding.
ROUNDING = 1e-10


@dataclass(frozen=True, eq=False)
class LearningData:
    """Complete columns, before a method says how it reads them."""

    rows: Rows
    names: tuple[str, ...]

    @classmethod
    def read(cls, data: Any, columns: Iterable[str] | None, missing: MissingPolicy) -> LearningData:
        """The columns, all of them unless some are named.

        Raises:
            InvalidSetting: with fewer than two columns, or a name that comes twice.
            UnknownColumn, MissingValues, InfiniteValues, NonNumeric, TooFewRows: when a column cannot be used.
        """
        dataset = open_dataset(data)
        names = dataset.columns if columns is None else tuple(columns)
        if len(names) < 2 or isinstance(columns, str):
            raise InvalidSetting(
                f"The columns are {columns if isinstance(columns, str) else list(names)!r}; a graph needs two or more.",
                hint='columns=["age", "dose", "pain"]',
            )
        for name in names:
            if names.count(name) > 1:
                raise InvalidSetting(
                    f"Column {name!r} is named {names.count(name)} times; a graph needs each node once.",
                    hint=f"name {name!r} once",
                )
        rows, _ = complete_rows(dataset.read(Request(frozenset(names))), names, missing)
        if rows.n < FEWEST_ROWS:
            raise TooFewRows(
                f"The data have {rows.n} complete rows; learning a graph needs at least {FEWEST_ROWS}, and far more "
                "for a graph to be trusted.",
                hint="use more rows, or draw the graph from what is known",
            )
        for name in names:
            _refuse_unusable(rows.columns[name])
        return cls(rows, names)

    @property
    def scale(self) -> Scale | None:
        """What all columns hold; None when some hold numbers and others categories."""
        few = [_is_few(self.rows.columns[name]) for name in self.names]
        return "categories" if all(few) else None if any(few) else "numbers"

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that change when a value, its row or a name changes."""
        columns = [self.rows.columns[name] for name in self.names]
        arrays = tuple(c.values if isinstance(c, Numbers) else _codes(c)[0] for c in columns)
        words = tuple(repr((c.name, c.levels if isinstance(c, Categories) else ())) for c in columns)
        return Content(hashed=arrays, words=words).fingerprint

    def numbers(self, method: str) -> FloatArray:
        """Rows × columns, centred and in standard deviations.

        Raises:
            MethodMismatch: for text.
            TooFewRows, Collinear: when the columns determine each other.
        """
        found = [self.rows.columns[name] for name in self.names]
        for column in found:
            if not isinstance(column, Numbers):
                raise MethodMismatch(
                    f"Column {column.name!r} holds text; {method} needs numbers.",
                    hint=f"leave {column.name!r} out, or cut the numbers into classes",
                )
        least = 2 * len(found)
        if self.rows.n < least:
            raise TooFewRows(
                f"The data have {self.rows.n} rows for {len(found)} columns; {method} needs at least {least}.",
                hint="use more rows, or fewer columns",
            )
        matrix = standardised(np.column_stack([c.values for c in found if isinstance(c, Numbers)]))
        culprits = dependent(matrix)
        if culprits:
            shown = ", ".join(repr(self.names[j]) for j in culprits)
            raise Collinear(
                f"The columns {shown} determine each other exactly; {method} needs columns of which none is a linear "
                "function of the others.",
                hint=f"leave {self.names[culprits[-1]]!r} out",
            )
        return matrix

    def categories(self, method: str) -> FloatArray:
        """Rows × columns of codes.

        Raises:
            MethodMismatch: for a column with more than 20 values.
            Collinear: for two columns that say the same.
        """
        codes: list[IntArray] = []
        for name in self.names:
            coded, count = _codes(self.rows.columns[name])
            if count > MOST_LEVELS:
                raise MethodMismatch(
                    f"Column {name!r} has {count:,} different values; {method} needs at most {MOST_LEVELS}.",
                    hint=f"cut {name!r} into classes, or use a test for numbers",
                )
            codes.append(coded)
        counts = [int(c.max()) + 1 for c in codes]
        for j, second in enumerate(codes):
            for i in range(j):
                pairs = len(np.unique(codes[i].astype(np.int64) * counts[j] + second))
                if pairs == counts[i] == counts[j]:
                    raise Collinear(
                        f"The columns {self.names[i]!r} and {self.names[j]!r} say the same; {method} needs columns of "
                        "which none determines another.",
                        hint=f"leave {self.names[j]!r} out",
                    )
        return np.column_stack(codes).astype(np.float64)


def standardised(matrix: FloatArray) -> FloatArray:
    """Columns with mean 0 and standard deviation 1; NaN where a column is constant.

    Scaled by the largest value first: squares of large numbers overflow.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        scaled = matrix / np.abs(matrix).max(axis=0)
        centred = scaled - scaled.mean(axis=0)
        return centred / np.sqrt(np.mean(centred**2, axis=0))


def dependent(matrix: FloatArray) -> Sequence[int]:
    """The standardised columns that determine each other; all of them when one is constant."""
    if not np.isfinite(matrix).all():
        return range(matrix.shape[1])
    values, vectors = np.linalg.eigh(matrix.T @ matrix / len(matrix))
    return [] if values[0] > ROUNDING else np.flatnonzero(np.abs(vectors[:, 0]) > 1e-4).tolist()


def _is_few(column: Column) -> bool:
    return not isinstance(column, Numbers) or column.boolean or len(np.unique(column.values)) <= FEW_VALUES


def _codes(column: Column) -> tuple[IntArray, int]:
    codes, levels = column.distinct()
    return codes, len(levels)


def _refuse_unusable(column: Column) -> None:
    if not isinstance(column, Numbers | Categories):
        raise NonNumeric(
            f"Column {column.name!r} holds {column.what}; learning a graph needs numbers or text.",
            hint=f"derive a number or a category from {column.name!r} first, or leave it out with columns=[…]",
        )
    constant = column.constant if isinstance(column, Numbers) else len(column.distinct()[1]) < 2
    if constant:
        raise ConstantColumn(
            f"Column {column.name!r} has one value in all rows; learning a graph needs columns that vary.",
            hint=f"leave {column.name!r} out with columns=[…]",
        )
