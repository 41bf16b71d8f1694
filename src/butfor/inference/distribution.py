"""Normal and t tails, from SciPy's special functions (loaded when first used)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def two_sided_p(statistic: FloatArray, df: float | FloatArray | None) -> FloatArray:
    """P(|Z| ≥ |statistic|) for a normal, or a t with `df` degrees of freedom."""
    from scipy import special

    tail = special.ndtr(-np.abs(statistic)) if df is None else special.stdtr(df, -np.abs(statistic))
    return np.minimum(2.0 * tail, 1.0)


def critical_value(level: float, df: float | FloatArray | None) -> float | FloatArray:
    """The c with P(|Z| ≤ c) = level, for a normal or for each t."""
    from scipy import special

    upper = 0.5 + level / 2.0
    return special.ndtri(upper) if df is None else special.stdtrit(df, upper)


def chi_square_tail(statistic: float, df: int) -> float:
    """P(χ²_df ≥ statistic)."""
    from scipy import special

    return float(special.chdtrc(df, statistic))


def normal_cdf(value: float) -> float:
    """P(Z ≤ value)."""
    from scipy import special

    return float(special.ndtr(value))


def normal_pdf(value: float) -> float:
    """Density of the standard normal."""
    return float(np.exp(-0.5 * value * value) / np.sqrt(2.0 * np.pi))
