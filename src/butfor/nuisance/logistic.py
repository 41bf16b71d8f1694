"""Logistic regression as a nuisance model: maximum likelihood or ridge, two classes or several, all folds together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import EmptyArm, InvalidSetting, SeparatedPropensity, TooFewRows
from butfor.core.rng import Seed
from butfor.native.logistic import fold_predict, logistic_gradients, logistic_sums
from butfor.nuisance.learner import Learner
from butfor.nuisance.linear import INNER_PARTS, parts_of

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]

RIDGE_GRID = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
ITERATIONS = 60
# Rows that tell enough of the columns' scale, and of the coefficients, to start from.
ROWS_FOR_SCALE = 5000
ROWS_FOR_START = 16384
# Squared step, in standard deviations of the columns, after which Newton's error is below 1e-10.
STEP_TOLERANCE = 1e-10
# Bound on what the next step of a model without its fold would move, in the same unit.
FOLD_TOLERANCE = 5e-9
FOLD_TOLERANCE_OF_MANY_ROWS = 5e-8
MANY_ROWS = 50_000
# A model of all rows within this step can pass for the common start of the models without a fold.
NEAR = 0.05
LONGEST_STEP = 5.0
# Where curvature has vanished and a linear index is beyond this, there is no maximum.
SEPARATED = 15.0


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

    for_numbers: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.penalty is not None and not 0.0 <= self.penalty < np.inf:
            raise InvalidSetting(
                f"penalty is {self.penalty}; ridge needs 0 or more.", hint="penalty=0.01, or None to choose"
            )

    def fit(
        self, matrix: FloatArray, target: FloatArray, weights: FloatArray | None, *, rng: Seed
    ) -> LogisticPredictor:
        """Learn from rows; `target` holds class codes."""
        codes = target.astype(np.int32)
        penalty = self.penalty
        if penalty is None:
            parts = parts_of(matrix, target, INNER_PARTS)
            penalty = _best_penalty(matrix, codes, parts, INNER_PARTS, weights)[0]
        design = Design.of(matrix, weights, exact=penalty > 0)
        return LogisticPredictor(design.original(_newton(design, codes, None, 1, weights, penalty)[0]))

    def cross_predict(
        self, matrix: FloatArray, target: FloatArray, folds: IntArray, fold_count: int, weights: FloatArray | None
    ) -> FloatArray:
        """Probabilities (rows × classes) of each row by the model that did not see its fold."""
        codes = target.astype(np.int32)
        if self.penalty is None:
            return _best_penalty(matrix, codes, folds, fold_count, weights)[1]
        design = Design.of(matrix, weights, exact=self.penalty > 0)
        return _cross_probabilities(design, codes, folds, fold_count, weights, self.penalty)


@dataclass(frozen=True, eq=False)
class Design:
    """Columns in their own units, coefficients in standard deviations of the columns.

    Newton's algebra (steps, penalties, tolerances) is done in standardised coordinates, where units of measurement
    do not matter; only its few numbers are converted. The rows are copied only where a large mean would cost digits.

    Attributes:
        rows: what the kernels see.
        to_rows: from standardised coefficients (q) to coefficients on `rows`, both with the intercept first.
        to_original: from standardised coefficients to coefficients on the matrix as it was given.
    """

    rows: FloatArray
    to_rows: FloatArray
    to_original: FloatArray

    @classmethod
    def of(cls, matrix: FloatArray, weights: FloatArray | None, *, exact: bool) -> Design:
        """Standardised by all rows with their weights (a penalty depends on it), or by some rows."""
        q = matrix.shape[1] + 1
        if len(matrix) == 0 or (weights is not None and not weights.sum() > 0.0):
            raise TooFewRows("No row has weight; a logit needs rows of two arms with weight.", hint="weights=None")
        if q == 1:
            return cls(matrix, np.eye(1), np.eye(1))
        step = 1 if exact else max(1, len(matrix) // ROWS_FOR_SCALE)
        some, w = matrix[::step], None if weights is None or not exact else weights
        centre = np.average(some, axis=0, weights=w)
        spread = np.sqrt(np.average((some - centre) ** 2, axis=0, weights=w))
        spread = np.where(spread > 1e-12 * np.maximum(np.abs(centre), 1e-300), spread, 1.0)
        back = np.diag(np.concatenate([[1.0], 1.0 / spread]))
        back[0, 1:] = -centre / spread
        if np.all(np.abs(centre) < 10 * spread):
            return cls(matrix, back, back)
        return cls((matrix - centre) / spread, np.eye(q), back)

    def on_rows(self, coefficients: FloatArray) -> FloatArray:
        """Standardised coefficients (… × q) as coefficients on `rows`."""
        return coefficients @ self.to_rows.T

    def original(self, coefficients: FloatArray) -> FloatArray:
        """Standardised coefficients (… × q) as coefficients on the matrix as it was given."""
        return coefficients @ self.to_original.T

    def sums(
        self, target: FloatArray, beta: FloatArray, weights: FloatArray | None, folds: IntArray | None, count: int
    ) -> tuple[FloatArray, FloatArray]:
        """Gradients and Hessians by fold at one set of standardised coefficients."""
        gradient, hessian = logistic_sums(self.rows, target, self.on_rows(beta), weights, folds, count)
        return gradient @ self.to_rows, self.to_rows.T @ hessian @ self.to_rows

    def gradients(
        self, target: FloatArray, betas: FloatArray, folds: IntArray, weights: FloatArray | None
    ) -> FloatArray:
        """Gradients of the models without their fold."""
        return logistic_gradients(self.rows, target, self.on_rows(betas), folds, weights) @ self.to_rows

    def some(self, step: int) -> Design:
        """Every `step`-th row, in the same coordinates."""
        return Design(np.ascontiguousarray(self.rows[::step]), self.to_rows, self.to_original)


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
    design: Design, codes: IntArray, folds: IntArray, count: int, weights: FloatArray | None, penalty: float
) -> FloatArray:
    models = design.on_rows(_newton(design, codes, folds, count, weights, penalty))
    if models.shape[1] == 1:
        one = fold_predict(design.rows, models[:, 0], folds, probability=True)
        return np.column_stack([1.0 - one, one])
    index = [fold_predict(design.rows, models[:, k], folds) for k in range(models.shape[1])]
    return probabilities(np.column_stack(index))


def _best_penalty(
    matrix: FloatArray, codes: IntArray, folds: IntArray, count: int, weights: FloatArray | None
) -> tuple[float, FloatArray]:
    """The penalty with the best out-of-fold log loss, and its predictions."""
    design = Design.of(matrix, weights, exact=True)
    best: tuple[float, float, FloatArray] | None = None
    for penalty in RIDGE_GRID:
        found = _cross_probabilities(design, codes, folds, count, weights, penalty)
        loss = float(-np.average(np.log(np.maximum(found[np.arange(len(codes)), codes], 1e-300)), weights=weights))
        if best is None or loss < best[0]:
            best = (loss, penalty, found)
    assert best is not None
    return best[1], best[2]


def _newton(
    design: Design, codes: IntArray, folds: IntArray | None, count: int, weights: FloatArray | None, penalty: float
) -> FloatArray:
    """Standardised coefficients (models × (classes − 1) × q); model k leaves fold k out."""
    classes = int(codes.max()) + 1
    if classes < 2:
        raise EmptyArm("All rows are of the first arm; a logit needs rows of two arms.", hint="use rows of all arms")
    if classes == 2:
        target = codes.astype(np.float64)
        if folds is None:
            return _newton_binary(design, target, weights, penalty)[None, None, :]
        return _leave_folds_out(design, target, (folds, count), weights, penalty)[:, None, :]
    w = np.ones(len(codes)) if weights is None else weights
    kept = [w if folds is None else w * (folds != k) for k in range(count)]
    return np.array([_newton_multinomial(design, codes, classes, part, penalty) for part in kept])


def _newton_binary(
    design: Design, target: FloatArray, weights: FloatArray | None, penalty: float, *, near: float = 0.0
) -> FloatArray:
    """Coefficients on all rows: at the maximum, or as soon as a step is shorter than `near`."""
    n, q = len(target), len(design.to_rows)
    total = float(n) if weights is None else float(weights.sum())
    share = float(np.clip(np.average(target, weights=weights), 1e-6, 1 - 1e-6))
    beta = np.concatenate([[np.log(share / (1 - share))], np.zeros(q - 1)])
    if n > 4 * ROWS_FOR_START:
        step = n // ROWS_FOR_START
        some = None if weights is None else np.ascontiguousarray(weights[::step])
        beta = _rough(design.some(step), np.ascontiguousarray(target[::step]), some, penalty, beta)
    ridge = penalty * np.r_[0.0, np.ones(q - 1)]
    rank = q
    for turn in range(ITERATIONS):
        gradient, hessian = design.sums(target, beta, weights, None, 1)
        move, found = _solve(hessian[0] / total + np.diag(ridge), gradient[0] / total - ridge * beta)
        rank = found if turn == 0 else rank
        move *= min(1.0, LONGEST_STEP / max(float(np.abs(move).max()), 1e-300))
        beta = beta + move
        size = float(np.abs(move).max())
        # Newton's error after a step is of the order of the step's square: no further pass only to confirm it.
        if size**2 < STEP_TOLERANCE or size < near:
            if found < rank:
                _refuse_separation(design, beta[None, :])
            return beta
    raise _separated(beta[None, :])


def _rough(
    design: Design, target: FloatArray, weights: FloatArray | None, penalty: float, otherwise: FloatArray
) -> FloatArray:
    """The maximum on some rows, where they have one."""
    try:
        return _newton_binary(design, target, weights, penalty, near=NEAR)
    except SeparatedPropensity:
        return otherwise


def _leave_folds_out(
    design: Design, target: FloatArray, folding: tuple[IntArray, int], weights: FloatArray | None, penalty: float
) -> FloatArray:
    """Coefficients of each model without its fold, starting from those on all rows.

    One pass at the common start gives every fold's gradient and Hessian, hence each model's by subtraction. Later
    steps keep that Hessian and renew the gradient only; the models are so close to the start that each step gains
    several digits. A model for which it does not is fitted alone.
    """
    folds, count = folding
    together = _newton_binary(design, target, weights, penalty, near=NEAR)
    mass = np.bincount(folds, weights=weights, minlength=count).astype(float)
    total = mass.sum() - mass
    ridge = penalty * np.r_[0.0, np.ones(len(together) - 1)]
    gradients, hessians = design.sums(target, together, weights, folds, count)
    curvature = (hessians.sum(axis=0) - hessians) / total[:, None, None] + np.diag(ridge)
    slope = (gradients.sum(axis=0) - gradients) / total[:, None] - ridge * together
    beta = np.tile(together, (count, 1))
    before = 1.0
    tolerance = FOLD_TOLERANCE if len(target) < MANY_ROWS else FOLD_TOLERANCE_OF_MANY_ROWS
    for _ in range(ITERATIONS):
        move = np.stack([_solve(h, g)[0] for h, g in zip(curvature, slope, strict=True)])
        beta = beta + move
        size = float(np.abs(move).max())
        # Steps shrink by a factor that itself shrinks: what is left is at most about this step times that factor.
        if size * size / before < tolerance:
            return beta
        if size > before / 2:
            break
        before = size
        renewed = design.gradients(target, beta, folds, weights) / total[:, None] - ridge * beta
        curvature = np.stack([_secant(curvature[k], move[k], slope[k] - renewed[k]) for k in range(count)])
        slope = renewed
    w = np.ones(len(target)) if weights is None else weights
    return np.stack([_newton_binary(design, target, w * (folds != k), penalty) for k in range(count)])


def _secant(hessian: FloatArray, move: FloatArray, change: FloatArray) -> FloatArray:
    """The Hessian corrected by what the last step taught (Broyden, Fletcher, Goldfarb, Shanno)."""
    along = hessian @ move
    length, told = float(move @ along), float(move @ change)
    if length <= 0.0 or told <= 0.0:
        return hessian
    return hessian - np.outer(along, along) / length + np.outer(change, change) / told


def _newton_multinomial(design: Design, codes: IntArray, classes: int, w: FloatArray, penalty: float) -> FloatArray:
    x = np.column_stack([np.ones(len(codes)), design.rows]) @ design.to_rows
    indicator = np.eye(classes)[codes]
    share = np.maximum(w @ indicator / w.sum(), 1e-6)
    beta = np.zeros((classes - 1, x.shape[1]))
    beta[:, 0] = np.log(share[1:] / share[0])
    ridge = np.tile(penalty * np.r_[0.0, np.ones(x.shape[1] - 1)], classes - 1)
    rank = 0
    for turn in range(ITERATIONS):
        chance = probabilities(x @ beta.T)
        gradient = ((indicator - chance)[:, 1:] * w[:, None]).T @ x / w.sum()
        hessian = multinomial_hessian(x, chance, w) / w.sum() + np.diag(ridge)
        move, found = _solve(hessian, gradient.reshape(-1) - ridge * beta.reshape(-1))
        rank = found if turn == 0 else rank
        move *= min(1.0, LONGEST_STEP / max(float(np.abs(move).max()), 1e-300))
        beta = beta + move.reshape(beta.shape)
        if float(np.abs(move).max()) ** 2 < STEP_TOLERANCE:
            if found < rank:
                _refuse_separation(design, beta)
            return beta
    raise _separated(beta)


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


def _solve(hessian: FloatArray, gradient: FloatArray) -> tuple[FloatArray, int]:
    """A Newton step and the rank; along directions without curvature (collinear columns) it does not move."""
    scale = np.sqrt(np.maximum(np.diag(hessian), 1e-300))
    values, vectors = np.linalg.eigh(hessian / np.outer(scale, scale))
    kept = values > 1e-11 * max(float(values[-1]), 1e-300)
    inverse = np.where(kept, 1.0 / np.where(kept, values, 1.0), 0.0)
    return (vectors @ (inverse * (vectors.T @ (gradient / scale)))) / scale, int(kept.sum())


def _refuse_separation(design: Design, beta: FloatArray) -> None:
    """Curvature that was there and vanished: some rows are predicted with certainty."""
    slopes = design.on_rows(beta)
    if float(np.abs(design.rows @ slopes[:, 1:].T + slopes[:, 0]).max()) > SEPARATED:
        raise _separated(beta)


def _separated(beta: FloatArray) -> SeparatedPropensity:
    strength = np.abs(beta[:, 1:]).max(axis=0)
    return separation(int(strength.argmax()) if len(strength) else None, ())


def separation(column: int | None, names: Sequence[str]) -> SeparatedPropensity:
    """The error that says which column of the design matrix separates most, by name where names are known."""
    known = None if column is None else repr(names[column]) if names else f"column {column} of the design matrix"
    error = SeparatedPropensity(
        f"Some covariates predict the treatment perfectly{'' if known is None else f', {known} most of all'}; "
        "a logit needs rows of every arm wherever it looks.",
        hint="remove the covariate that decides the treatment, or use LogisticModel(penalty=0.01)",
    )
    error.column = column
    return error


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


def fit_logit(
    matrix: FloatArray, codes: IntArray, classes: int, weights: FloatArray | None, names: Sequence[str] = ()
) -> LogitFit:
    """Maximum likelihood (multinomial) logit on all rows; `names` are those of the columns, for error messages."""
    design = Design.of(matrix, weights, exact=False)
    try:
        beta = _newton(design, codes, None, 1, weights, 0.0)[0]
    except SeparatedPropensity as error:
        raise separation(error.column, names) from None
    if len(beta) != classes - 1:
        raise InvalidSetting(
            f"The logit saw {len(beta) + 1} of {classes} classes; it needs all.", hint="drop empty arms"
        )
    x = np.column_stack([np.ones(len(codes)), design.rows]) @ design.to_rows
    return LogitFit(x, codes, probabilities(x @ beta.T), weights)
