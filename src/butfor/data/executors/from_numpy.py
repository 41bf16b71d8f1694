"""NumPy arrays to columns."""

from __future__ import annotations

import datetime
import decimal
import math
import numbers
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import UnreadableData
from butfor.data.rows import Categories, Column, Numbers, Others, sorted_categories
from butfor.data.sample import BoolArray

EXACT = 2**53
"""The largest integer up to which float64 holds every integer."""


def column_of_array(name: str, array: NDArray[Any]) -> Column:
    """A column from a one-dimensional array of any kind; float64 is not copied."""
    if array.ndim != 1:
        raise UnreadableData(
            f"Column {name!r} has {array.ndim} dimensions; a column needs one value per row.",
            hint="give every column of a matrix its own name",
        )
    if np.ma.isMaskedArray(array):
        array = _unmasked(array)
    converters: dict[str, Callable[[str, NDArray[Any]], Column]] = {
        "f": _floats,
        "i": integers,
        "u": integers,
        "b": _booleans,
        "M": _times,
        "m": _times,
        "U": _plain_texts,
        "T": _plain_texts,
        "O": _objects,
    }
    return converters.get(array.dtype.kind, _others)(name, array)


def _floats(name: str, array: NDArray[Any]) -> Numbers:
    return Numbers(name, array.astype(np.float64, copy=False))


def _booleans(name: str, array: NDArray[Any]) -> Numbers:
    return Numbers(name, array.astype(np.float64), boolean=True)


def _times(name: str, array: NDArray[Any]) -> Others:
    what = "durations" if array.dtype.kind == "m" else "dates or times"
    return Others(name, what, np.isnat(array), array.view(np.int64))


def _plain_texts(name: str, array: NDArray[Any]) -> Categories:
    return _texts(name, array.astype(object), np.zeros(len(array), dtype=np.bool_))


def _others(name: str, array: NDArray[Any]) -> Others:
    return Others(name, f"values of type {array.dtype}", np.zeros(len(array), dtype=np.bool_))


def array_of_objects(values: list[Any]) -> NDArray[Any]:
    """One object per element, even where the elements are lists of equal length."""
    array = np.empty(len(values), dtype=object)
    for row, value in enumerate(values):
        array[row] = value
    return array


def integers(name: str, array: NDArray[Any], absent: BoolArray | None = None) -> Numbers:
    """Integers of any width; where some are beyond 2⁵³ the integers themselves are kept as well."""
    values = array.astype(np.float64)
    if absent is not None:
        values[absent] = np.nan
    wide = array.dtype.itemsize == 8 and len(array) > 0 and (int(array.max()) > EXACT or int(array.min()) < -EXACT)
    return Numbers(name, values, exact=array if wide else None)


def _unmasked(array: NDArray[Any]) -> NDArray[Any]:
    """The values of a masked array as objects, None where masked."""
    objects: NDArray[Any] = np.ma.getdata(array).astype(object)
    objects[np.ma.getmaskarray(array)] = None
    return objects


def _objects(name: str, array: NDArray[Any]) -> Column:
    """An array of Python objects, which must be all of one sort apart from the missing ones."""
    absent = np.fromiter((_is_missing(v) for v in array), dtype=np.bool_, count=len(array))
    present = array[~absent]
    if len(present) == 0:
        return Numbers(name, np.full(len(array), np.nan))
    sorts = {_sort(v) for v in present}
    if sorts == {"text"}:
        return _texts(name, array, absent)
    if sorts <= {"boolean", "integer", "number"}:
        return _numbers(name, array, absent, sorts)
    if sorts == {"date or time"}:
        return Others(name, "dates or times", absent, _identifiers(present, absent))
    what = f"{' and '.join(sorted(sorts))} values"
    return Others(name, f"a mixture of {what}" if len(sorts) > 1 else what, absent)


def _is_missing(value: Any) -> bool:
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or type(value).__name__ in ("NAType", "NaTType")


def _sort(value: Any) -> str:
    if isinstance(value, str):
        return "text"
    if isinstance(value, bool | np.bool_):
        return "boolean"
    if isinstance(value, numbers.Integral):
        return "integer"
    if isinstance(value, numbers.Real | decimal.Decimal):
        return "number"
    if isinstance(value, datetime.date | datetime.time | np.datetime64):
        return "date or time"
    return type(value).__name__


def _texts(name: str, array: NDArray[Any], absent: BoolArray) -> Categories:
    codes = np.full(len(array), -1, dtype=np.int64)
    levels: dict[str, int] = {}
    for row in np.flatnonzero(~absent):
        codes[row] = levels.setdefault(str(array[row]), len(levels))
    return sorted_categories(name, codes, list(levels))


def _numbers(name: str, array: NDArray[Any], absent: BoolArray, sorts: set[str]) -> Numbers:
    filled = np.where(absent, 0, array)
    if sorts == {"integer"}:
        low, high = int(min(filled)), int(max(filled))
        if low >= -(2**63) and high < 2**64:
            return integers(name, filled.astype(np.uint64 if high >= 2**63 and low >= 0 else np.int64), absent)
    values = filled.astype(np.float64)
    values[absent] = np.nan
    return Numbers(name, values, boolean=sorts == {"boolean"})


def _identifiers(present: NDArray[Any], absent: BoolArray) -> NDArray[np.int64]:
    order = {text: rank for rank, text in enumerate(sorted({str(v) for v in present}))}
    identifiers = np.full(len(absent), -1, dtype=np.int64)
    identifiers[~absent] = [order[str(v)] for v in present]
    return identifiers
