"""What every kernel checks before it starts: layout, lengths and codes."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import InvalidSetting

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]

MOST_THREADS = 8


def thread_count(threads: int | None) -> int:
    """The threads to use: all cores, eight at most, unless told."""
    return min(os.cpu_count() or 1, MOST_THREADS) if threads is None else max(1, threads)


def as_matrix(matrix: NDArray[Any]) -> FloatArray:
    """Rows one after the other, float64; a copy only where needed."""
    array = np.ascontiguousarray(matrix, dtype=np.float64)
    if array.ndim != 2:
        raise InvalidSetting(f"matrix has {array.ndim} dimensions; a kernel needs rows × columns.", hint="matrix[:, None]")
    return array


def as_vector(values: NDArray[Any] | None, n: int, what: str) -> FloatArray | None:
    """One float64 per row."""
    if values is None:
        return None
    array = np.ascontiguousarray(values, dtype=np.float64)
    _check_length(array, n, what)
    return array


def as_outcome(values: NDArray[Any], n: int) -> FloatArray:
    """One float64 per row, never None."""
    array = np.ascontiguousarray(values, dtype=np.float64)
    _check_length(array, n, "outcome")
    return array


def as_codes(codes: NDArray[Any] | None, n: int, count: int, what: str) -> IntArray | None:
    """One int32 code per row, from 0 to count − 1."""
    if codes is None:
        return None
    array = np.ascontiguousarray(codes, dtype=np.int32)
    _check_length(array, n, what)
    if n and (int(array.min()) < 0 or int(array.max()) >= count):
        raise InvalidSetting(
            f"{what} run from {array.min()} to {array.max()}; a kernel needs codes from 0 to {count - 1}.",
            hint="number the codes from 0",
        )
    return array


def _check_length(array: NDArray[Any], n: int, what: str) -> None:
    if array.shape != (n,):
        raise InvalidSetting(f"{what} has shape {array.shape}; a kernel needs one value for each of {n} rows.", hint=f"{what} of length {n}")
