"""The debiased lasso: coefficients of many columns with valid standard errors, when few of them matter.

A lasso chooses columns, ½ Σ w (y − x'β)² + Σ_j λ_j |β_j|, with the penalty that chance gives to the score of a column
that does not matter (Belloni, Chen, Chernozhukov and Hansen 2012):

    λ_j = 1.1 Φ⁻¹(1 − γ / 2k) √v_j,  v_j = Σ_u (Σ_{i in u} w_i x_ij e_i)²,  γ = 0.1 / log(units)

over independent units u, so that heteroskedasticity and clusters count. Least squares on what it chose gives β̃ and e
(Belloni and Chernozhukov 2013): shrinking would blow up both the residuals and what is left to correct. What the choice
left out is given back along z_j, what the columns chosen for column j leave of it (van de Geer et al. 2014):

    b_j = β̃_j + Σ w z_j e / Σ w z_j x_j,     φ_ij = n w_i z_ij e_i / Σ w z_j x_j less its mean
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import Collinear, NumericalFailure
from butfor.inference.distribution import critical_value

FloatArray = NDArray[np.float64]
CodeArray = NDArray[np.intp]

SLACK = 1.1
ROUNDS = 3
LEAST_LEFT = 1e-10


@dataclass(frozen=True, eq=False)
class Debiased:
    """Debiased coefficients (k), their influence functions (rows × k), least squares on what the lasso chose (k)."""

    value: FloatArray
    influence: FloatArray
    chosen: FloatArray


@dataclass(frozen=True, eq=False)
class Rows:
    """How much each row counts (weights that sum to one), and which rows belong together (codes from zero)."""

    weights: FloatArray
    units: CodeArray

    @property
    def count(self) -> int:
        """Independent units."""
        return int(self.units.max()) + 1

    def spread(self, columns: FloatArray, residual: FloatArray) -> FloatArray:
        """√v_j: how far chance moves the score Σ w x_j e of each column."""
        score = columns * (self.weights * residual)[:, None]
        sums = [np.bincount(self.units, weights=column) for column in score.T]
        return np.sqrt([float(total @ total) for total in sums])


def debiased_lasso(columns: FloatArray, outcome: FloatArray, rows: Rows, free: CodeArray) -> Debiased:
    """Coefficients of all columns, of which those that are `free` (one or more) are not penalised.

    Args:
        columns: rows × k; there is no further intercept.
        free: places of the columns that are not penalised.

    Raises:
        Collinear: when a column is a linear function of others.
    """
    w = rows.weights
    kept, others = columns[:, free], np.setdiff1d(np.arange(columns.shape[1]), free)
    weighted = kept * w[:, None]
    gram = weighted.T @ kept
    if np.linalg.cond(gram) > 1.0 / LEAST_LEFT:
        raise _collinear()
    bread = weighted @ np.linalg.inv(gram)
    slopes, start = bread.T @ columns[:, others], bread.T @ outcome
    x = columns[:, others] - kept @ slopes
    scale = np.sqrt(w @ x**2)
    if np.any(scale <= LEAST_LEFT * np.sqrt(w @ columns[:, others] ** 2)):
        raise _collinear()
    x, n = x / scale, len(outcome)
    _check_apart(x, rows)
    goal = outcome - kept @ start
    chosen = post_lasso(x, goal, rows)
    residual, direction = goal - x @ chosen, directions(x, rows)
    step = (w * residual) @ direction
    moved, influence = (chosen + step) / scale, n * w[:, None] * (residual[:, None] * direction - step) / scale
    # The free columns are least squares of what the debiased others leave of the outcome.
    value, full, plain = np.empty(columns.shape[1]), np.empty_like(columns), np.empty(columns.shape[1])
    value[others], full[:, others], plain[others] = moved, influence, chosen / scale
    value[free], plain[free] = start - slopes @ moved, start - slopes @ (chosen / scale)
    full[:, free] = n * residual[:, None] * bread - influence @ slopes.T
    return Debiased(value, full, plain)


def _check_apart(x: FloatArray, rows: Rows) -> None:
    """No two columns are one; and none is a sum of others, unless there are too few rows for that to mean anything."""
    gram = (x * rows.weights[:, None]).T @ x
    alike = np.abs(gram - np.diag(np.diag(gram))).max(initial=0.0) > 1.0 - LEAST_LEFT
    if alike or (len(gram) < rows.count and np.linalg.eigvalsh(gram)[:1].min(initial=1.0) < LEAST_LEFT):
        raise _collinear()


def directions(x: FloatArray, rows: Rows) -> FloatArray:
    """z_j / Σ w z_j x_j for each column: what the columns chosen for it leave of it (rows × k)."""
    out = np.empty_like(x)
    places = np.arange(x.shape[1])
    for j in places:
        others = x[:, places != j]
        left = x[:, j] - others @ post_lasso(others, x[:, j], rows)
        force = float((rows.weights * left) @ x[:, j])
        if force <= LEAST_LEFT:
            raise _collinear()
        out[:, j] = left / force
    return out


def post_lasso(x: FloatArray, goal: FloatArray, rows: Rows) -> FloatArray:
    """Least squares on what the lasso chooses, with a penalty from these very residuals after a few rounds."""
    k = x.shape[1]
    beta = np.zeros(k)
    if k == 0:
        return beta
    chance = 0.1 / np.log(max(rows.count, 3))
    quantile = SLACK * float(critical_value(1.0 - chance / k, None))
    for _ in range(ROUNDS):
        penalty = np.maximum(quantile * rows.spread(x, goal - x @ beta), 1e-12)
        beta = refit(x, goal, _lasso(x, goal, rows.weights, penalty), rows)
    return beta


def refit(x: FloatArray, goal: FloatArray, beta: FloatArray, rows: Rows) -> FloatArray:
    """Least squares on the columns that the lasso chose; the lasso itself where it chose too many to fit."""
    chosen = np.flatnonzero(beta)
    if len(chosen) == 0 or 2 * len(chosen) > rows.count:
        return beta
    root = np.sqrt(rows.weights)
    out = np.zeros_like(beta)
    out[chosen] = np.linalg.lstsq(x[:, chosen] * root[:, None], goal * root, rcond=None)[0]
    return out


def _lasso(x: FloatArray, goal: FloatArray, weights: FloatArray, penalty: FloatArray) -> FloatArray:
    """argmin ½ Σ w (goal − x'β)² + Σ_j penalty_j |β_j|: scikit-learn's, on columns divided by their penalties."""
    n = len(goal)
    root = np.sqrt(n * weights)
    columns, target = x / penalty * root[:, None], goal * root
    gram = columns.T @ columns
    model = import_module("sklearn.linear_model").Lasso(
        alpha=1.0, fit_intercept=False, precompute=gram, tol=1e-10, max_iter=100_000
    )
    unsettled = import_module("sklearn.exceptions").ConvergenceWarning
    with warnings.catch_warnings():
        warnings.simplefilter("error", unsettled)
        try:
            return np.asarray(model.fit(columns, target).coef_, dtype=np.float64) / penalty
        except unsettled as warning:
            raise NumericalFailure(
                f"The lasso did not settle ({warning}); it needs columns that are less alike.",
                hint="leave out columns that say the same",
            ) from None


def _collinear() -> Collinear:
    return Collinear(
        "A column is constant or a linear function of the others; the debiased lasso needs columns that vary.",
        hint="leave the column out; an intercept is always there",
    )
