"""Several tests at once: adjusted p-values and simultaneous critical values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from butfor.core.rng import Seed, generator

FloatArray = NDArray[np.float64]


def holm(p_values: Sequence[float]) -> FloatArray:
    """p-values adjusted for the family-wise error (Holm 1979), valid under any dependence."""
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted


def benjamini_hochberg(p_values: Sequence[float]) -> FloatArray:
    """p-values adjusted for the false discovery rate (doi:10.1111/j.2517-6161.1995.tb02031.x)."""
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(-p, kind="stable")
    steps = np.minimum.accumulate(p[order] * len(p) / np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted


def simultaneous_critical_value(vcov: FloatArray, level: float, *, draws: int = 100_000, rng: Seed = 0) -> float:
    """The c for which all intervals estimate ± c · se hold at once with probability `level` (sup-t band).

    The Gaussian multiplier bootstrap of the influence functions, given the data, *is* a normal with covariance
    `vcov` (Chernozhukov, Chetverikov and Kato 2013, doi:10.1214/13-AOS1161): drawing from that normal costs
    nothing in the number of rows.
    """
    se = np.sqrt(np.diag(vcov))
    moving = se > 0
    if not moving.any():
        return 0.0
    correlation = vcov[np.ix_(moving, moving)] / np.outer(se[moving], se[moving])
    values, vectors = np.linalg.eigh(correlation)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    normal = generator(rng).standard_normal((draws, root.shape[1]))
    return float(np.quantile(np.abs(normal @ root.T).max(axis=1), level))
