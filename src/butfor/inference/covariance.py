"""Covariance from influence functions: the only sandwich in the library.

An estimator hands over rows φ_i with  estimate − truth ≈ (1/n) Σ φ_i.  Then Var ≈ (1/n²) Σ φ_i φ_i', and every
robust variance is a way of adding up φ: as they are (HC0), scaled for the leverage h_i of regressions
(MacKinnon and White 1985, doi:10.1016/0304-4076(85)90158-7), or first summed within clusters (Liang and Zeger
1986, doi:10.1093/biomet/73.1.13; two-way: Cameron, Gelbach and Miller 2011, doi:10.1198/jbes.2010.07136).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import InvalidSetting, MethodMismatch
from butfor.data.sample import Cluster

FloatArray = NDArray[np.float64]


class Robust(StrEnum):
    """Kinds of heteroskedasticity-robust covariance."""

    HC0 = "HC0"
    HC1 = "HC1"
    HC2 = "HC2"
    HC3 = "HC3"

    @classmethod
    def of(cls, kind: Robust | str) -> Robust:
        """The kind by its name."""
        try:
            return cls(kind)
        except ValueError as error:
            raise InvalidSetting(
                f"covariance is {kind!r}; standard errors need one of {', '.join(cls)}.", hint="covariance='HC2'"
            ) from error


@dataclass(frozen=True, eq=False)
class Regression:
    """What the small-sample corrections need to know of the regression behind each effect.

    Attributes:
        rows: rows of the regression behind each effect.
        parameters: its coefficients.
        leverage: h_i, rows, or rows × effects where the effects come from different regressions.
    """

    rows: tuple[int, ...]
    parameters: tuple[int, ...]
    leverage: FloatArray

    @property
    def spare(self) -> FloatArray:
        """Degrees of freedom of each effect."""
        return np.subtract(self.rows, self.parameters).astype(float)

    def adjust(self, influence: FloatArray, kind: Robust) -> FloatArray:
        """φ scaled so that its plain sum of squares is the covariance of this kind."""
        if kind is Robust.HC0:
            return influence
        if kind is Robust.HC1:
            return influence * np.sqrt(np.asarray(self.rows) / self.spare)
        slack = np.maximum(1.0 - self.leverage, 1e-12)
        slack = slack[:, None] if slack.ndim == 1 else slack
        return influence / (np.sqrt(slack) if kind is Robust.HC2 else slack)


def robust_covariance(influence: FloatArray, kind: Robust, regression: Regression | None = None) -> FloatArray:
    """Covariance (k × k) of independent rows.

    Args:
        influence: φ, rows × effects.
        kind: HC0 needs nothing else, HC1 to HC3 need the `regression` behind φ.
    """
    if kind is not Robust.HC0:
        if regression is None:
            raise MethodMismatch(
                f"covariance is {kind}; it needs a regression with leverages, which this estimator is not.",
                hint="covariance='HC0'",
            )
        influence = regression.adjust(influence, kind)
    return influence.T @ influence / len(influence) ** 2


def clustered_covariance(influence: FloatArray, cluster: Cluster, regression: Regression | None = None) -> FloatArray:
    """Covariance of rows that are dependent within clusters, with Stata's small-sample factor (CR1)."""
    if cluster.count < 2:
        raise InvalidSetting(
            f"Cluster {cluster.name!r} has {cluster.count} level; clustered standard errors need at least two.",
            hint="choose a column with more clusters",
        )
    factor = cluster.count / (cluster.count - 1)
    if regression is not None:
        influence = influence * np.sqrt((np.asarray(regression.rows) - 1) / regression.spare)
    sums = sum_within(influence, cluster)
    return sums.T @ sums / len(influence) ** 2 * factor


def two_way_covariance(
    influence: FloatArray, first: Cluster, second: Cluster, regression: Regression | None = None
) -> FloatArray:
    """Covariance of rows that are dependent along two dimensions: V_first + V_second − V_both."""
    both = intersect(first, second)
    total = (
        clustered_covariance(influence, first, regression)
        + clustered_covariance(influence, second, regression)
        - clustered_covariance(influence, both, regression)
    )
    # The difference of positive matrices can have negative eigenvalues: set them to zero (CGM 2011, section 2.3).
    values, vectors = np.linalg.eigh(total)
    return (vectors * np.maximum(values, 0.0)) @ vectors.T


def sum_within(influence: FloatArray, cluster: Cluster) -> FloatArray:
    """Sums of φ within clusters (clusters × effects)."""
    out = np.empty((cluster.count, influence.shape[1]))
    for k, column in enumerate(influence.T):
        out[:, k] = np.bincount(cluster.codes, weights=column, minlength=cluster.count)
    return out


def intersect(first: Cluster, second: Cluster) -> Cluster:
    """The clusters of rows that agree in both."""
    pairs = first.codes.astype(np.int64) * second.count + second.codes
    levels, codes = np.unique(pairs, return_inverse=True)
    return Cluster(f"{first.name} × {second.name}", codes.astype(np.int32), len(levels))
