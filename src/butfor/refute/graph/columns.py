"""Columns as the tests of a graph want them: as numbers, or as codes of their levels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import MethodMismatch, UnknownColumn

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Columns = Mapping[str, NDArray[Any]]

# Tables of columns with more levels than this are empty almost everywhere.
MOST_LEVELS = 50


def column(columns: Columns, name: str) -> NDArray[Any]:
    """The values of a column.

    Raises:
        UnknownColumn: with the nearest name.
    """
    if name not in columns:
        raise UnknownColumn.named(name, columns, role="test")
    return columns[name]


def is_text(values: NDArray[Any]) -> bool:
    """Are the values categories with names?"""
    return values.dtype.kind not in "biuf"


def numbers(columns: Columns, name: str, *, method: str, hint: str) -> FloatArray:
    """The values of a column of numbers.

    Raises:
        MethodMismatch: for text.
        UnknownColumn: with the nearest name.
    """
    values = column(columns, name)
    if is_text(values):
        raise MethodMismatch(f"Column {name!r} holds text; a {method} needs numbers.", hint=hint)
    return values.astype(np.float64)


def level_codes(columns: Columns, name: str, *, method: str, hint: str) -> IntArray:
    """The level of a column in each row, counted from zero in the order of the values.

    Raises:
        MethodMismatch: for more than 50 levels.
        UnknownColumn: with the nearest name.
    """
    levels, codes = np.unique(column(columns, name), return_inverse=True)
    if len(levels) > MOST_LEVELS:
        raise MethodMismatch(
            f"Column {name!r} has {len(levels):,} different values; a {method} needs at most {MOST_LEVELS}.", hint=hint
        )
    return codes.astype(np.int64)
