"""Linear regression as a nuisance model: least squares or ridge, all folds from one set of cross-products."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import InvalidSetting
from butfor.core.rng import Seed
from butfor.native.logistic import fold_predict
from butfor.native.moments import CoMoments, comoments
from butfor.nuisance.learner import Learner

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]

RANK_TOLERANCE = 1e-11
RIDGE_GRID = tuple(float(10.0**power) for power in np.arange(-4, 2.01, 0.5))


@dataclass(frozen=True)
class LinearPredictor:
    """Intercept and slopes."""

    coefficients: FloatArray

    def predict(self, matrix: FloatArray) -> FloatArray:
        """The linear index of each row."""
        return fold_predict(matrix, self.coefficients[None, :])


@dataclass(frozen=True, kw_only=True)
class LinearModel(Learner):
    """Least squares, or ridge regression.

    Args:
        penalty: ridge penalty on standardised columns as a multiple of the rows; 0 is plain least squares (minimum
            norm when columns are collinear). None chooses it by cross-validation over the folds at hand.

    >>> import numpy as np
    >>> x = np.arange(6.0)[:, None]
    >>> LinearModel().fit(x, 2 * x[:, 0] + 1, None, rng=0).predict(np.array([[10.0]])).round(6)
    array([21.])
    """

    penalty: float | None = 0.0

    def __post_init__(self) -> None:
        if self.penalty is not None and not 0.0 <= self.penalty < np.inf:
            raise InvalidSetting(f"penalty is {self.penalty}; ridge needs 0 or more.", hint="penalty=0.1, or None to choose")

    def fit(self, matrix: FloatArray, target: FloatArray, weights: FloatArray | None, *, rng: Seed) -> LinearPredictor:
        """Learn from rows."""
        moments = comoments(np.column_stack([matrix, target]), weights)
        penalty = self.penalty
        if penalty is None:
            folds = (np.arange(len(matrix)) % 5).astype(np.int32)
            penalty = _best_penalty(fold_moments(matrix, target, folds, 5, weights))
        return LinearPredictor(solve(moments.mean[0], moments.comoment[0], float(moments.weight[0]), penalty))

    def cross_predict(
        self, matrix: FloatArray, target: FloatArray, folds: IntArray, fold_count: int, weights: FloatArray | None
    ) -> FloatArray:
        """Predictions of each row by the model that did not see its fold."""
        return fold_predict(matrix, self.cross_coefficients(fold_moments(matrix, target, folds, fold_count, weights)), folds)

    def cross_coefficients(self, parts: CoMoments) -> FloatArray:
        """Coefficients (folds × (p + 1)) of the models that leave one fold out each, from the moments by fold."""
        out: list[FloatArray] = []
        for fold in range(len(parts.weight)):
            rest = [k for k in range(len(parts.weight)) if k != fold]
            penalty = self.penalty
            if penalty is None:
                inner = select_groups(parts, rest)
                penalty = _best_penalty(inner)
            mean, comoment, weight = merge_moments(parts, rest)
            out.append(solve(mean, comoment, weight, penalty))
        return np.array(out)


def fold_moments(
    matrix: FloatArray, target: FloatArray, groups: IntArray, count: int, weights: FloatArray | None
) -> CoMoments:
    """Moments of covariates and target (the last column) by group."""
    return comoments(np.column_stack([matrix, target]), weights, groups, count)


def select_groups(parts: CoMoments, groups: list[int]) -> CoMoments:
    """The moments of these groups."""
    return CoMoments(*(array[groups] for array in _arrays(parts)))


def merge_moments(parts: CoMoments, groups: list[int]) -> tuple[FloatArray, FloatArray, float]:
    """Mean, co-moment and weight of several groups together (Chan, Golub and LeVeque)."""
    weight = parts.weight[groups]
    total = float(weight.sum())
    share = weight / total if total > 0 else weight
    mean = share @ parts.mean[groups]
    gaps = parts.mean[groups] - mean
    return mean, parts.comoment[groups].sum(axis=0) + (gaps * weight[:, None]).T @ gaps, total


def solve(mean: FloatArray, comoment: FloatArray, weight: float, penalty: float) -> FloatArray:
    """Intercept and slopes from moments whose last column is the target."""
    gram, cross = comoment[:-1, :-1], comoment[:-1, -1]
    scale = np.sqrt(np.maximum(np.diag(gram), 0.0) / weight)
    moving = scale > RANK_TOLERANCE * np.maximum(np.abs(mean[:-1]), 1e-300)
    safe = np.where(moving, scale, 1.0)
    correlation = np.where(np.outer(moving, moving), gram / np.outer(safe, safe) / weight, 0.0)
    values, vectors = np.linalg.eigh(correlation)
    kept = values > RANK_TOLERANCE * max(len(values), 1)
    inverse = np.where(kept, 1.0 / (np.where(kept, values, 1.0) + penalty), 0.0)
    slopes = vectors @ (inverse * (vectors.T @ np.where(moving, cross / safe / weight, 0.0))) / safe
    return np.concatenate([[mean[-1] - mean[:-1] @ slopes], slopes])


def _arrays(parts: CoMoments) -> tuple[FloatArray, ...]:
    return parts.count, parts.weight, parts.weight_squared, parts.mean, parts.comoment


def _best_penalty(parts: CoMoments) -> float:
    """The penalty with the least squared error over held-out groups; all from moments, no further pass."""
    groups = range(len(parts.weight))
    errors = np.zeros(len(RIDGE_GRID))
    for held in groups:
        rest = [k for k in groups if k != held]
        mean, comoment, weight = merge_moments(parts, rest)
        for index, penalty in enumerate(RIDGE_GRID):
            beta = solve(mean, comoment, weight, penalty)
            errors[index] += _squared_error(parts, held, beta)
    return RIDGE_GRID[int(errors.argmin())]


def _squared_error(parts: CoMoments, group: int, beta: FloatArray) -> float:
    """Σ w (y − b0 − x'b)² of one group from its moments."""
    direction = np.concatenate([-beta[1:], [1.0]])
    offset = parts.mean[group] @ direction - beta[0]
    return float(direction @ parts.comoment[group] @ direction + parts.weight[group] * offset**2)
