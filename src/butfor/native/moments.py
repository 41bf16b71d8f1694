"""Means and centred cross-products of many columns, by group, in one pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from butfor.native import _kernels
from butfor.native.arrays import as_groups, as_matrix, as_weights, check_finite, thread_count

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CoMoments:
    """Additive statistics; the first axis of every array is the group.

    Attributes:
        count: rows (groups).
        weight: Σw (groups).
        weight_squared: Σw² (groups).
        mean: weighted means (groups × p).
        comoment: Σ w (x − mean)(x − mean)' (groups × p × p).
    """

    count: FloatArray
    weight: FloatArray
    weight_squared: FloatArray
    mean: FloatArray
    comoment: FloatArray


def comoments(
    matrix: NDArray[Any],
    weights: NDArray[Any] | None = None,
    groups: NDArray[Any] | None = None,
    group_count: int = 1,
    *,
    threads: int | None = None,
) -> CoMoments:
    """Weighted co-moments of the columns of `matrix` (n × p).

    A column whose mean is 1e9 times its standard deviation keeps its digits, and the result is the same to the bit
    for any number of threads.

    Args:
        weights: n weights, default 1.
        groups: n codes from 0 to `group_count` − 1; default one group.

    Raises:
        InvalidSetting: lengths or codes that do not fit, negative weights, values that are not finite.

    References:
        Chan, Golub and LeVeque 1983 (doi:10.1080/00031305.1983.10483115).
    """
    rows = as_matrix(matrix)
    n = len(rows)
    totals, mean, comoment = _kernels.comoments(
        rows,
        as_weights(weights, n),
        as_groups(groups, n, group_count),
        group_count,
        thread_count(threads),
    )
    check_finite(totals, mean, comoment)
    return CoMoments(totals[:, 0], totals[:, 1], totals[:, 2], mean, comoment)
