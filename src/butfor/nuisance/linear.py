"""Linear regression as a nuisance model: least squares or ridge, all folds from one set of cross-products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import InvalidSetting, TooFewRows
from butfor.core.rng import Seed
from butfor.data.content import rank_key
from butfor.native.logistic import fold_predict
from butfor.native.moments import CoMoments, comoments
from butfor.nuisance.learner import Learner

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]

RANK_TOLERANCE = 1e-11
INNER_PARTS = 5
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

    for_classes: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.penalty is not None and not 0.0 <= self.penalty < np.inf:
            raise InvalidSetting(
                f"penalty is {self.penalty}; ridge needs 0 or more.", hint="penalty=0.1, or None to choose"
            )

    def fit(self, matrix: FloatArray, target: FloatArray, weights: FloatArray | None, *, rng: Seed) -> LinearPredictor:
        """Learn from rows."""
        if self.penalty is None:
            parts = fold_moments(matrix, target, parts_of(matrix, target, INNER_PARTS), INNER_PARTS, weights)
        else:
            parts = comoments(np.column_stack([matrix, target]), weights)
        return LinearPredictor(self.coefficients(parts))

    def cross_predict(
        self, matrix: FloatArray, target: FloatArray, folds: IntArray, fold_count: int, weights: FloatArray | None
    ) -> FloatArray:
        """Predictions of each row by the model that did not see its fold."""
        groups, count = self.groups(matrix, target, folds, fold_count)
        parts = fold_moments(matrix, target, groups, count, weights)
        return fold_predict(matrix, self.cross_coefficients(parts, fold_count), folds)

    def groups(self, matrix: FloatArray, target: FloatArray, folds: IntArray, fold_count: int) -> tuple[IntArray, int]:
        """Groups of rows whose moments `cross_coefficients` needs: the folds, or parts of them where folds are few.

        A penalty for the models without one of two folds has only the other fold to be chosen in.
        """
        if self.penalty is not None or fold_count > 2:
            return folds, fold_count
        return folds * np.int32(INNER_PARTS) + parts_of(matrix, target, INNER_PARTS), fold_count * INNER_PARTS

    def cross_coefficients(self, parts: CoMoments, fold_count: int) -> FloatArray:
        """Coefficients (folds × (p + 1)) of the models that leave one fold out each.

        Args:
            parts: moments by group; each fold is the same number of groups, one fold after the other.
        """
        fold = np.arange(len(parts.weight)) * fold_count // len(parts.weight)
        return np.array([self.coefficients(select_groups(parts, np.flatnonzero(fold != k))) for k in range(fold_count)])

    def coefficients(self, parts: CoMoments) -> FloatArray:
        """Coefficients (p + 1) from the moments of groups of rows; the groups matter only for choosing a penalty."""
        penalty = _best_penalty(parts) if self.penalty is None else self.penalty
        return solve(*merge_moments(parts), np.array([penalty]))[0]


def parts_of(matrix: FloatArray, target: FloatArray, count: int) -> IntArray:
    """Parts of the rows by what the rows are: equal rows share one, and order or units do not matter."""
    key = rank_key([*matrix.T, target])
    return (key % np.uint64(count)).astype(np.int32)


def fold_moments(
    matrix: FloatArray, target: FloatArray, groups: IntArray, count: int, weights: FloatArray | None
) -> CoMoments:
    """Moments of covariates and target (the last column) by group."""
    return comoments(np.column_stack([matrix, target]), weights, groups, count)


def select_groups(parts: CoMoments, groups: NDArray[np.intp]) -> CoMoments:
    """The moments of these groups."""
    arrays = (parts.count, parts.weight, parts.weight_squared, parts.mean, parts.comoment)
    return CoMoments(*(array[groups] for array in arrays))


def merge_moments(parts: CoMoments) -> tuple[FloatArray, FloatArray, float]:
    """Mean, co-moment and weight of all groups together (Chan, Golub and LeVeque)."""
    weight = parts.weight
    total = float(weight.sum())
    if not total > 0.0:
        raise TooFewRows("No row has weight; a linear model needs a row with weight.", hint="weights=None")
    mean = weight @ parts.mean / total
    gaps = parts.mean - mean
    return mean, parts.comoment.sum(axis=0) + (gaps * weight[:, None]).T @ gaps, total


def solve(mean: FloatArray, comoment: FloatArray, weight: float, penalties: FloatArray) -> FloatArray:
    """Intercept and slopes for each penalty (penalties × (p + 1)) from moments whose last column is the target."""
    gram, cross = comoment[:-1, :-1], comoment[:-1, -1]
    scale = np.sqrt(np.maximum(np.diag(gram), 0.0) / weight)
    moving = scale > RANK_TOLERANCE * np.maximum(np.abs(mean[:-1]), 1e-300)
    safe = np.where(moving, scale, 1.0)
    correlation = np.where(np.outer(moving, moving), gram / np.outer(safe, safe) / weight, 0.0)
    values, vectors = np.linalg.eigh(correlation)
    kept = values > RANK_TOLERANCE * max(len(values), 1)
    along = vectors.T @ np.where(moving, cross / safe / weight, 0.0)
    inverse = np.where(kept, 1.0 / (np.where(kept, values, 1.0) + penalties[:, None]), 0.0)
    slopes = (inverse * along) @ vectors.T / safe
    return np.column_stack([mean[-1] - slopes @ mean[:-1], slopes])


def _best_penalty(parts: CoMoments) -> float:
    """The penalty with the least squared error over held-out groups; all from moments, no further pass."""
    errors = np.zeros(len(RIDGE_GRID))
    for held in range(len(parts.weight)):
        rest = select_groups(parts, np.flatnonzero(np.arange(len(parts.weight)) != held))
        if rest.weight.sum() > 0:
            errors += _squared_errors(parts, held, solve(*merge_moments(rest), np.array(RIDGE_GRID)))
    return RIDGE_GRID[int(errors.argmin())]


def _squared_errors(parts: CoMoments, group: int, betas: FloatArray) -> FloatArray:
    """Σ w (y − b0 − x'b)² of one group from its moments, for each row of coefficients."""
    direction = np.column_stack([-betas[:, 1:], np.ones(len(betas))])
    offset = direction @ parts.mean[group] - betas[:, 0]
    spread = np.einsum("ij,jk,ik->i", direction, parts.comoment[group], direction)
    return spread + parts.weight[group] * offset**2
