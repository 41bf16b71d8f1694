"""What every kernel checks: layout, lengths and codes before it starts, finite sums when it has ended."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import InvalidSetting

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]

MOST_THREADS = 8


@cache
def _cores() -> int:
    return min(os.cpu_count() or 1, MOST_THREADS)


def thread_count(threads: int | None) -> int:
    """The threads to use: all cores, eight at most, unless told."""
    if threads is None:
        return _cores()
    if threads < 1:
        raise InvalidSetting(f"threads is {threads}; a kernel needs 1 or more.", hint="threads=1")
    return threads


def as_matrix(matrix: NDArray[Any], what: str = "matrix") -> FloatArray:
    """Rows one after the other, float64; a copy only where needed."""
    if np.ndim(matrix) != 2:
        raise InvalidSetting(
            f"{what} has {np.ndim(matrix)} dimensions; a kernel needs rows × columns.", hint=f"{what}[:, None]"
        )
    return np.ascontiguousarray(matrix, dtype=np.float64)


def as_coefficients(coefficients: NDArray[Any], columns: int) -> FloatArray:
    """Models × (columns + 1), the intercept first."""
    array = as_matrix(coefficients, "coefficients")
    if array.shape[1] != columns + 1:
        raise InvalidSetting(
            f"coefficients have {array.shape[1]} columns; {columns} columns and an intercept need {columns + 1}.",
            hint="put the intercept first",
        )
    return array


def as_vector(values: NDArray[Any], n: int, what: str) -> FloatArray:
    """One float64 per row."""
    array = np.ascontiguousarray(values, dtype=np.float64)
    _check_length(array, n, what)
    return array


def as_weights(weights: NDArray[Any] | None, n: int) -> FloatArray | None:
    """One weight per row, none negative."""
    if weights is None:
        return None
    array = as_vector(weights, n, "weights")
    if n and not array.min() >= 0.0:
        raise InvalidSetting(f"the least weight is {array.min()}; a kernel needs weights of 0 or more.", hint="drop it")
    return array


def as_codes(codes: NDArray[Any], n: int, count: int, what: str) -> IntArray:
    """One int32 code per row, from 0 to count − 1."""
    array = np.asarray(codes)
    _check_length(array, n, what)
    if array.dtype.kind not in "iu":
        raise InvalidSetting(f"{what} are {array.dtype}; a kernel needs integers.", hint=f"{what}.astype('int32')")
    if n and (int(array.min()) < 0 or int(array.max()) >= count):
        raise InvalidSetting(
            f"{what} run from {array.min()} to {array.max()}; a kernel needs codes from 0 to {count - 1}.",
            hint="number the codes from 0",
        )
    return np.ascontiguousarray(array, dtype=np.int32)


def as_groups(groups: NDArray[Any] | None, n: int, count: int) -> IntArray | None:
    """One code per row, or None when all rows are one group."""
    if count < 1 or (groups is None and count != 1):
        raise InvalidSetting(
            f"group_count is {count}; a kernel needs one group or more, and codes for more than one.",
            hint="groups=codes, group_count=codes.max() + 1",
        )
    return None if groups is None else as_codes(groups, n, count, "groups")


def check_finite(*sums: FloatArray) -> None:
    """Refuse sums that NaN, infinity or overflow has reached: cheaper than a look at every row."""
    if not all(np.isfinite(each).all() for each in sums):
        raise InvalidSetting(
            "a sum over the rows is not finite; a kernel needs finite values whose products are finite.",
            hint="drop rows with missing or infinite values",
        )


def _check_length(array: NDArray[Any], n: int, what: str) -> None:
    if array.shape != (n,):
        raise InvalidSetting(
            f"{what} has shape {array.shape}; a kernel needs one value for each of {n} rows.",
            hint=f"{what} of length {n}",
        )
