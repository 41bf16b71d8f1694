"""The kernels once more in plain NumPy: slow, obvious, the oracle of the compiled ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]


def comoments(rows: FloatArray, weights: FloatArray) -> tuple[float, float, FloatArray, FloatArray]:
    """Σw, Σw², weighted means and centred cross-products of one group, in extended precision by two passes."""
    x, w = rows.astype(np.longdouble), weights.astype(np.longdouble)
    total = w.sum()
    mean = (w @ x) / total if total > 0 else np.zeros(x.shape[1], dtype=np.longdouble)
    centred = x - mean
    comoment = (centred * w[:, None]).T @ centred
    return float(total), float((w**2).sum()), mean.astype(float), comoment.astype(float)


def sigmoid(index: FloatArray) -> FloatArray:
    wide = index.astype(np.longdouble)
    return (1.0 / (1.0 + np.exp(-wide))).astype(float)


def index(rows: FloatArray, coefficients: FloatArray) -> FloatArray:
    return coefficients[0] + rows @ coefficients[1:]


def logistic_sums(
    rows: FloatArray, outcome: FloatArray, coefficients: FloatArray, weights: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Gradient and Hessian of one logit over all rows."""
    design = np.column_stack([np.ones(len(rows)), rows])
    mean = sigmoid(index(rows, coefficients))
    curvature = weights * mean * (1.0 - mean)
    return design.T @ (weights * (outcome - mean)), (design * curvature[:, None]).T @ design
