"""What each sampled unit contributes to the effects: resampling by reuse, without a single refit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from butfor.estimators.base import Fit
from butfor.inference.covariance import Robust, sum_within

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Contributions:
    """Contributions u (units × effects) with effect ≈ truth + Σ u, and Σ uu' its covariance.

    Units are rows, or clusters where the sample has them. Small-sample corrections are those of the estimate, so
    that resampling is compared with the standard error that was reported.
    """

    unit: FloatArray

    @classmethod
    def of(cls, fit: Fit) -> Contributions:
        """From the influence functions of a fit that has them."""
        result = fit.result
        influence = result.influence
        assert influence is not None
        clusters = result.clusters or (() if fit.sample.cluster is None else (fit.sample.cluster,))
        regression = result.regression
        if not clusters:
            rows = influence if regression is None else regression.adjust(influence, Robust.of(result.robust))
            return cls(rows / len(influence))
        if regression is not None:
            influence = influence * np.sqrt((np.asarray(regression.rows) - 1) / regression.spare)
        cluster = clusters[0]
        return cls(sum_within(influence, cluster) * (np.sqrt(cluster.count / (cluster.count - 1)) / len(influence)))

    def __len__(self) -> int:
        return len(self.unit)

    def left_out(self, count: int, rng: np.random.Generator) -> FloatArray:
        """Shift of the effects when `count` random units are left out."""
        gone = rng.choice(len(self), size=count, replace=False, shuffle=False)
        kept = self.unit.sum(axis=0) - self.unit[gone].sum(axis=0)
        return kept * (len(self) / (len(self) - count))

    def resampled(self, rng: np.random.Generator) -> FloatArray:
        """Shift of the effects when as many units are drawn with replacement."""
        drawn = rng.integers(0, len(self), size=len(self), dtype=np.int32)
        return np.bincount(drawn, minlength=len(self)).astype(np.float64) @ self.unit


def no_contributions(fit: Fit) -> str | None:
    """Why the effects cannot be resampled by reuse."""
    if fit.result.influence is None:
        return "the estimate carries no influence function to resample"
    if len(fit.result.clusters) > 1:
        return "rows depend along two dimensions, which a resample of one of them does not respect"
    return None
