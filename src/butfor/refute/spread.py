"""Tests on a handful or a hundred of simulated effects."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from butfor.inference.distribution import two_sided_p

FloatArray = NDArray[np.float64]

ENOUGH = 20


def mean_p_value(draws: FloatArray, errors: FloatArray | None = None) -> FloatArray:
    """Two-sided p of each column's mean being zero.

    Args:
        draws: simulations × effects.
        errors: their own standard errors, used instead of the spread when there are too few draws to know it.
    """
    count = len(draws)
    mean = draws.mean(axis=0)
    if count < ENOUGH and errors is not None:
        return two_sided_p(_ratio(mean, np.sqrt((errors**2).sum(axis=0)) / count), None)
    spread = draws.std(axis=0, ddof=1) / np.sqrt(count)
    return two_sided_p(_ratio(mean, spread), float(count - 1))


def permutation_p_value(value: FloatArray, draws: FloatArray) -> FloatArray:
    """Share of the placebo effects that are at least as large as the real one, counting the real one."""
    return (1.0 + (np.abs(draws) >= np.abs(value)).sum(axis=0)) / (1.0 + len(draws))


def _ratio(mean: FloatArray, error: FloatArray) -> FloatArray:
    """Mean by error; effects that never move have no error, and are then either exactly right or certainly wrong."""
    certain = np.where(mean == 0.0, 0.0, np.inf)
    return np.divide(mean, error, out=certain, where=error > 0.0)
