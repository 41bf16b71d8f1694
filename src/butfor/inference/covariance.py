"""Covariance from influence functions: the only sandwich in the library.

An estimator hands over rows φ_i with  estimate − truth ≈ (1/n) Σ φ_i.  Then Var ≈ (1/n²) Σ φ_i φ_i', and every
robust variance is a way of adding up φ: as they are (HC0), scaled for the leverage h_i of regressions
(MacKinnon and White 1985, doi:10.1016/0304-4076(85)90158-7), or first summed within clusters (Liang and Zeger
1986, doi:10.1093/biomet/73.1.13; two-way: Cameron, Gelbach and Miller 2011, doi:10.1198/jbes.2010.07136).
"""

from __future__ import annotations

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
        try:
            return cls(kind)
        except ValueError as error:
            raise InvalidSetting(
                f"covariance is {kind!r}; standard errors need one of {', '.join(cls)}.", hint="covariance='HC2'"
            ) from error


def robust_covariance(
    influence: FloatArray, kind: Robust, leverage: FloatArray | None = None, parameters: int | None = None
) -> FloatArray:
    """Covariance (k × k) of independent rows.

    Args:
        influence: φ, rows × effects.
        kind: HC0 needs nothing else; HC1 needs `parameters`, HC2 and HC3 need `leverage`.
        leverage: h_i of the regression behind φ.
        parameters: coefficients of that regression.
    """
    n = len(influence)
    if kind is Robust.HC0:
        return influence.T @ influence / n**2
    if leverage is None or parameters is None:
        raise MethodMismatch(
            f"covariance is {kind}; it needs a regression with leverages, which this estimator is not.",
            hint="covariance='HC0'",
        )
    if kind is Robust.HC1:
        return influence.T @ influence / n**2 * (n / (n - parameters))
    slack = np.maximum(1.0 - leverage, 1e-12)
    scaled = influence / (np.sqrt(slack) if kind is Robust.HC2 else slack)[:, None]
    return scaled.T @ scaled / n**2


def clustered_covariance(influence: FloatArray, cluster: Cluster, parameters: int | None = None) -> FloatArray:
    """Covariance of rows that are dependent within clusters, with Stata's small-sample factor (CR1)."""
    if cluster.count < 2:
        raise InvalidSetting(
            f"Cluster {cluster.name!r} has {cluster.count} level; clustered standard errors need at least two.",
            hint="choose a column with more clusters",
        )
    n, groups = len(influence), cluster.count
    factor = groups / (groups - 1)
    if parameters is not None:
        factor *= (n - 1) / (n - parameters)
    sums = sum_within(influence, cluster)
    return sums.T @ sums / n**2 * factor


def two_way_covariance(
    influence: FloatArray, first: Cluster, second: Cluster, parameters: int | None = None
) -> FloatArray:
    """Covariance of rows that are dependent along two dimensions: V_first + V_second − V_both."""
    both = intersect(first, second)
    total = (
        clustered_covariance(influence, first, parameters)
        + clustered_covariance(influence, second, parameters)
        - clustered_covariance(influence, both, parameters)
    )
    # The difference of positive matrices can have negative eigenvalues: set them to zero (CGM 2011, section 2.3).
    values, vectors = np.linalg.eigh(total)
    return (vectors * np.maximum(values, 0.0)) @ vectors.T


def sum_within(influence: FloatArray, cluster: Cluster) -> FloatArray:
    """Sums of φ within clusters (clusters × effects)."""
    columns = [np.bincount(cluster.codes, weights=column, minlength=cluster.count) for column in influence.T]
    return np.column_stack(columns)


def intersect(first: Cluster, second: Cluster) -> Cluster:
    """The clusters of rows that agree in both."""
    pairs = first.codes.astype(np.int64) * second.count + second.codes
    levels, codes = np.unique(pairs, return_inverse=True)
    return Cluster(f"{first.name} × {second.name}", codes.astype(np.int32), len(levels))
