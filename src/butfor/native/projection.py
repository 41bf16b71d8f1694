"""Residuals of columns and leverages of rows, in one pass."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import InvalidSetting
from butfor.native import _kernels
from butfor.native.arrays import as_matrix, as_vector, thread_count

FloatArray = NDArray[np.float64]


def project(
    matrix: NDArray[Any],
    mean: FloatArray,
    root: FloatArray,
    columns: FloatArray,
    centre: FloatArray,
    slopes: FloatArray,
    *,
    threads: int | None = None,
) -> tuple[FloatArray, FloatArray]:
    """What columns keep after orthonormal directions of a matrix took their part, and how far out each row lies.

    With z_i = root'(x_i − mean): residuals y_i − centre − z_i'slopes, and leverages z_i'z_i.

    Args:
        matrix: n × p.
        mean: p, taken from every row.
        root: p × rank.
        columns: n × d.
        centre: d.
        slopes: rank × d.

    Returns:
        Residuals (n × d) and leverages (n).
    """
    rows, targets, directions, weights = (as_matrix(a) for a in (matrix, columns, root, slopes))
    (n, p), (_, d) = rows.shape, targets.shape
    if len(targets) != n or directions.shape[0] != p or weights.shape != (directions.shape[1], d):
        raise InvalidSetting(
            f"shapes are {rows.shape}, {directions.shape}, {targets.shape}, {weights.shape}; a projection needs "
            "n × p, p × rank, n × d, rank × d.",
            hint="slopes = root.T @ cross_products",
        )
    return _kernels.project(
        rows,
        as_vector(mean, p, "mean"),
        directions,
        targets,
        as_vector(centre, d, "centre"),
        weights,
        thread_count(threads),
    )
