"""Intervals of a ratio that hold however small its denominator is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Interval = tuple[float, float]


def fieller_intervals(top: float, bottom: float, covariance: FloatArray, critical: float) -> tuple[Interval, ...]:
    """All θ with (top − θ bottom)² ≤ c² Var(top − θ bottom); the ratio itself is among them (Fieller 1954).

    One interval when the denominator is clearly not zero; otherwise perhaps two rays, (−∞, a) and (b, ∞), or the whole
    line: then the data say little or nothing of the ratio.

    Args:
        top: the numerator.
        bottom: the denominator.
        covariance: of the two (2 × 2).
        critical: c, such as 1.96.

    >>> ((low, high),) = fieller_intervals(2.0, 1.0, np.diag([0.01, 0.0]), 2.0)
    >>> round(low, 6), round(high, 6)
    (1.8, 2.2)
    """
    cut = critical**2
    a = float(bottom**2 - cut * covariance[1, 1])
    half_b = float(top * bottom - cut * covariance[0, 1])
    c = float(top**2 - cut * covariance[0, 0])
    root = half_b**2 - a * c
    if a > 0.0:
        middle, half = half_b / a, float(np.sqrt(max(root, 0.0))) / a
        return ((middle - half, middle + half),)
    if root <= 0.0 or a == 0.0:
        return ((-np.inf, np.inf),)
    ends = sorted((half_b + sign * float(np.sqrt(root))) / a for sign in (-1.0, 1.0))
    return ((-np.inf, ends[0]), (ends[1], np.inf))
