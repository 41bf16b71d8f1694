"""Logistic regression as a nuisance model: maximum likelihood or ridge, two classes or several, all folds together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import InvalidSetting, NumericalFailure, SeparatedPropensity
from butfor.core.rng import Seed
from butfor.native.logistic import fold_predict, logistic_gradients, logistic_sums
from butfor.nuisance.learner import Learner

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]

RIDGE_GRID = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
ITERATIONS = 60
ROWS_FOR_SCALE = 5000
STEP_TOLERANCE = 1e-10
# The next step would be smaller by the relative change of the Hessian, of the order of 1/√n.
FOLD_STEP_TOLERANCE = 1e-7


@dataclass(frozen=True)
class LogisticPredictor:
    """Coefficients by class against the first one (classes − 1 × (p + 1), intercept first)."""

    coefficients: FloatArray

    def predict(self, matrix: FloatArray) -> FloatArray:
        """Probabilities (rows × classes)."""
        return probabilities(np.column_stack([fold_predict(matrix, row[None, :]) for row in self.coefficients]))


@dataclass(frozen=True, kw_only=True)
class LogisticModel(Learner):
    """Logistic regression; multinomial for several classes.

    Args:
        penalty: ridge penalty on standardised columns per row; 0 is maximum likelihood. None chooses it by
            cross-validation over the folds at hand.

    Raises:
        SeparatedPropensity: when the covariates predict a class perfectly and there is no penalty.
    """

    penalty: float | None = 0.0

    def __post_init__(self) -> None:
        if self.penalty is not None and not 0.0 <= self.penalty < np.inf:
            raise InvalidSetting(f"penalty is {self.penalty}; ridge needs 0 or more.", hint="penalty=0.01, or None to choose")

    def fit(self, matrix: FloatArray, target: FloatArray, weights: FloatArray | None, *, rng: Seed) -> LogisticPredictor:
        """Learn from rows; `target` holds class codes."""
        codes = target.astype(np.int32)
        penalty = self.penalty
        if penalty is None:
            folds = (np.arange(len(matrix)) % 5).astype(np.int32)
            penalty = _best_penalty(matrix, codes, folds, 5, weights)[0]
        scale = Scale.of(matrix)
        found = _newton(scale.apply(matrix), codes, None, 1, weights, penalty)[0]
        return LogisticPredictor(scale.restore(found))

    def cross_predict(
        self, matrix: FloatArray, target: FloatArray, folds: IntArray, fold_count: int, weights: FloatArray | None
    ) -> FloatArray:
        """Probabilities (rows × classes) of each row by the model that did not see its fold."""
        codes = target.astype(np.int32)
        if self.penalty is None:
            return _best_penalty(matrix, codes, folds, fold_count, weights)[1]
        return _cross_probabilities(matrix, codes, folds, fold_count, weights, self.penalty)


@dataclass(frozen=True)
class Scale:
    """Centre and spread of the columns, only where they are far from 0 and 1 (then the copy is worth it)."""

    centre: FloatArray
    spread: FloatArray
    needed: bool

    @classmethod
    def of(cls, matrix: FloatArray) -> Scale:
        if matrix.shape[1] == 0:
            return cls(np.zeros(0), np.ones(0), needed=False)
        # Only the conditioning of Newton's equations is at stake: some rows tell enough.
        some = matrix[:: max(1, len(matrix) // ROWS_FOR_SCALE)]
        centre, spread = some.mean(axis=0), some.std(axis=0)
        spread = np.where(spread > 1e-12 * np.maximum(np.abs(centre), 1e-300), spread, 1.0)
        tame = bool(np.all(np.abs(centre) < 10 * spread) and spread.max() < 100 and spread.min() > 0.01)
        return cls(centre, spread, needed=not tame)

    def apply(self, matrix: FloatArray) -> FloatArray:
        return (matrix - self.centre) / self.spread if self.needed else matrix

    def restore(self, coefficients: FloatArray) -> FloatArray:
        """Coefficients (… × (p + 1)) on the original columns."""
        if not self.needed:
            return coefficients
        slopes = coefficients[..., 1:] / self.spread
        intercept = coefficients[..., 0] - slopes @ self.centre
        return np.concatenate([intercept[..., None], slopes], axis=-1)


def probabilities(index: FloatArray) -> FloatArray:
    """Softmax of the linear indices against a first class whose index is 0 (rows × classes)."""
    if index.shape[1] == 1:
        one = 1.0 / (1.0 + np.exp(-np.clip(index[:, 0], -700.0, 700.0)))
        return np.column_stack([1.0 - one, one])
    full = np.column_stack([np.zeros(len(index)), index])
    full -= full.max(axis=1, keepdims=True)
    np.exp(full, out=full)
    return full / full.sum(axis=1, keepdims=True)


def _cross_probabilities(
    matrix: FloatArray, codes: IntArray, folds: IntArray, count: int, weights: FloatArray | None, penalty: float
) -> FloatArray:
    scale = Scale.of(matrix)
    rows = scale.apply(matrix)
    models = _newton(rows, codes, folds, count, weights, penalty)
    if models.shape[1] == 1:
        one = fold_predict(rows, models[:, 0], folds, probability=True)
        return np.column_stack([1.0 - one, one])
    return probabilities(np.column_stack([fold_predict(rows, models[:, k], folds) for k in range(models.shape[1])]))


def _best_penalty(
    matrix: FloatArray, codes: IntArray, folds: IntArray, count: int, weights: FloatArray | None
) -> tuple[float, FloatArray]:
    """The penalty with the best out-of-fold log loss, and its predictions."""
    best: tuple[float, float, FloatArray] | None = None
    for penalty in RIDGE_GRID:
        found = _cross_probabilities(matrix, codes, folds, count, weights, penalty)
        loss = float(-np.average(np.log(np.maximum(found[np.arange(len(codes)), codes], 1e-300)), weights=weights))
        if best is None or loss < best[0]:
            best = (loss, penalty, found)
    assert best is not None
    return best[1], best[2]


def _newton(
    rows: FloatArray, codes: IntArray, folds: IntArray | None, count: int, weights: FloatArray | None, penalty: float
) -> FloatArray:
    """Coefficients (models × (classes − 1) × (p + 1)); model k leaves fold k out."""
    classes = int(codes.max()) + 1
    if classes == 2:
        target = codes.astype(np.float64)
        together = _newton_binary(rows, target, weights, penalty)
        if folds is None:
            return together[None, None, :]
        return _leave_folds_out(rows, target, (folds, count), weights, penalty, together)[:, None, :]
    w = np.ones(len(rows)) if weights is None else weights
    kept = [w if folds is None else w * (folds != k) for k in range(count)]
    return np.array([_newton_multinomial(rows, codes, classes, part, penalty) for part in kept])


def _newton_binary(
    rows: FloatArray, target: FloatArray, weights: FloatArray | None, penalty: float, start: FloatArray | None = None
) -> FloatArray:
    """Maximum likelihood (or ridge) coefficients on all rows."""
    p = rows.shape[1]
    total = float(len(rows)) if weights is None else float(weights.sum())
    beta = np.zeros(p + 1) if start is None else start
    if start is None:
        share = float(np.clip(np.average(target, weights=weights), 1e-6, 1 - 1e-6))
        beta[0] = np.log(share / (1 - share))
    ridge = penalty * np.r_[0.0, np.ones(p)]
    for _ in range(ITERATIONS):
        gradient, hessian = logistic_sums(rows, target, beta, weights)
        step = _solve(hessian[0] / total + np.diag(ridge), gradient[0] / total - ridge * beta)
        step *= min(1.0, 5.0 / max(float(np.abs(step).max()), 1e-300))
        beta = beta + step
        # Newton's error after a step is of the order of the step's square: no further pass only to confirm it.
        if float(np.abs(step).max()) ** 2 < STEP_TOLERANCE:
            return beta
    raise _separated(rows, beta)


def _leave_folds_out(
    rows: FloatArray,
    target: FloatArray,
    folding: tuple[IntArray, int],
    weights: FloatArray | None,
    penalty: float,
    together: FloatArray,
) -> FloatArray:
    """Coefficients of each model without its fold, starting from those on all rows.

    One pass at the common start gives every fold's gradient and Hessian, hence each model's by subtraction. Later
    steps keep that Hessian and renew the gradient only; the models are so close to the start that each step gains
    several digits.
    """
    folds, count = folding
    w = np.ones(len(rows)) if weights is None else weights
    mass = np.bincount(folds, weights=w, minlength=count)
    total = mass.sum() - mass
    ridge = penalty * np.r_[0.0, np.ones(rows.shape[1])]
    gradients, hessians = logistic_sums(rows, target, together, weights, folds, count)
    curvature = (hessians.sum(axis=0) - hessians) / total[:, None, None] + np.diag(ridge)
    slope = (gradients.sum(axis=0) - gradients) / total[:, None] - ridge * together
    beta = np.tile(together, (count, 1))
    for _ in range(ITERATIONS):
        step = np.stack([_solve(h, g) for h, g in zip(curvature, slope, strict=True)])
        beta = beta + step
        size = float(np.abs(step).max())
        if size < FOLD_STEP_TOLERANCE:
            return beta
        if size > 1.0:
            break
        slope = logistic_gradients(rows, target, beta, folds, weights) / total[:, None] - ridge * beta
    parts = [_newton_binary(rows, target, w * (folds != k), penalty) for k in range(count)]
    return np.stack(parts)


def _newton_multinomial(
    rows: FloatArray, codes: IntArray, classes: int, w: FloatArray, penalty: float
) -> FloatArray:
    n, p = rows.shape
    design = np.column_stack([np.ones(n), rows])
    indicator = np.eye(classes)[codes]
    share = np.maximum(w @ indicator / w.sum(), 1e-6)
    beta = np.zeros((classes - 1, p + 1))
    beta[:, 0] = np.log(share[1:] / share[0])
    ridge = np.tile(penalty * np.r_[0.0, np.ones(p)], classes - 1)
    for _ in range(ITERATIONS):
        chance = probabilities(design @ beta.T)
        gradient = ((indicator - chance)[:, 1:] * w[:, None]).T @ design / w.sum()
        hessian = multinomial_hessian(design, chance, w) / w.sum() + np.diag(ridge)
        step = _solve(hessian, gradient.reshape(-1) - ridge * beta.reshape(-1)).reshape(beta.shape)
        step *= min(1.0, 5.0 / max(float(np.abs(step).max()), 1e-300))
        beta = beta + step
        if float(np.abs(step).max()) ** 2 < STEP_TOLERANCE:
            return beta
    raise _separated(rows, beta)


def multinomial_hessian(design: FloatArray, chance: FloatArray, w: FloatArray) -> FloatArray:
    """Σ w (diag(e) − ee') ⊗ xx' over the classes but the first."""
    q, others = design.shape[1], chance.shape[1] - 1
    out = np.empty((others * q, others * q))
    for a in range(others):
        for b in range(a + 1):
            v = w * chance[:, a + 1] * ((a == b) - chance[:, b + 1])
            block = (design * v[:, None]).T @ design
            out[a * q : (a + 1) * q, b * q : (b + 1) * q] = block
            out[b * q : (b + 1) * q, a * q : (a + 1) * q] = block.T
    return out


def _solve(hessian: FloatArray, gradient: FloatArray) -> FloatArray:
    """A Newton step; along directions without curvature (collinear columns) it does not move."""
    scale = np.sqrt(np.maximum(np.diag(hessian), 1e-300))
    values, vectors = np.linalg.eigh(hessian / np.outer(scale, scale))
    kept = values > 1e-11 * max(float(values[-1]), 1e-300)
    inverse = np.where(kept, 1.0 / np.where(kept, values, 1.0), 0.0)
    return (vectors @ (inverse * (vectors.T @ (gradient / scale)))) / scale


def _separated(rows: FloatArray, beta: FloatArray) -> NumericalFailure:
    spread = rows.std(axis=0) * np.abs(np.atleast_2d(beta)[:, 1:]).max(axis=0)
    worst = int(spread.argmax()) + 1 if len(spread) else 0
    return SeparatedPropensity(
        f"The logit did not converge in {ITERATIONS} Newton steps; covariates that all but decide the treatment leave it "
        f"without a maximum (column {worst} most of all).",
        hint="remove the covariate that decides the treatment, or use LogisticModel(penalty=0.01)",
    )


@dataclass(frozen=True, eq=False)
class LogitFit:
    """A maximum likelihood logit with what M-estimation needs.

    Attributes:
        design: intercept and standardised columns (n × q).
        codes: class of each row.
        probabilities: n × classes.
        weights: sampling weights with mean 1, or None.
    """

    design: FloatArray
    codes: IntArray
    probabilities: FloatArray
    weights: FloatArray | None

    @cached_property
    def _weights(self) -> FloatArray:
        return np.ones(len(self.codes)) if self.weights is None else self.weights / self.weights.mean()

    def influence(self) -> FloatArray:
        """Influence of each row on the coefficients (n × (classes − 1)·q): H⁻¹ s_i."""
        gap = -self.probabilities[:, 1:]
        inside = self.codes > 0
        gap[inside, self.codes[inside] - 1] += 1.0
        gap *= self._weights[:, None]
        scores = (gap[:, :, None] * self.design[:, None, :]).reshape(len(gap), -1)
        hessian = multinomial_hessian(self.design, self.probabilities, self._weights) / len(gap)
        return scores @ np.linalg.pinv(hessian, rcond=1e-12, hermitian=True)


def fit_logit(matrix: FloatArray, codes: IntArray, classes: int, weights: FloatArray | None) -> LogitFit:
    """Maximum likelihood (multinomial) logit on all rows."""
    centre = matrix.mean(axis=0) if matrix.shape[1] else np.zeros(0)
    spread = matrix.std(axis=0) if matrix.shape[1] else np.ones(0)
    rows = np.ascontiguousarray((matrix - centre) / np.where(spread > 0, spread, 1.0))
    beta = _newton(rows, codes, None, 1, weights, 0.0)[0]
    if len(beta) != classes - 1:
        raise InvalidSetting(f"The logit saw {len(beta) + 1} of {classes} classes; it needs all.", hint="drop empty arms")
    design = np.column_stack([np.ones(len(rows)), rows])
    return LogitFit(design, codes, probabilities(design @ beta.T), weights)
