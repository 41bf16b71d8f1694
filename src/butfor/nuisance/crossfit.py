"""The one cross-fitter: every nuisance is predicted by models that did not see the row."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import InvalidSetting, SeparatedPropensity
from butfor.data.sample import Sample
from butfor.native.logistic import fold_predict
from butfor.nuisance.boosting import Boosting
from butfor.nuisance.cache import NuisanceCache, frozen, remember
from butfor.nuisance.calibration import GENTLE, calibrate, log_odds
from butfor.nuisance.folds import Folds
from butfor.nuisance.learner import Foldwise, Learner
from butfor.nuisance.linear import LinearModel, fold_moments, select_groups
from butfor.nuisance.logistic import separation
from butfor.nuisance.mix import Mix
from butfor.nuisance.random_forest import RandomForest
from butfor.nuisance.wrap import OutOfFold, as_learner

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class CrossFit:
    """Out-of-fold predictions of one nuisance.

    Attributes:
        values: one per row, or rows × arms.
        words: which model, and for a mix the weights.
    """

    values: FloatArray
    words: str


@dataclass(frozen=True, eq=False)
class Task:
    """What is to be predicted: rows, target, folds, weights; `classes` is 0 for numbers."""

    matrix: FloatArray
    target: FloatArray
    folds: Folds
    weights: FloatArray | None
    seed: int
    classes: int = 0


def cross_fit(model: Any, task: Task) -> tuple[FloatArray, str]:
    """Out-of-fold predictions for all rows, and the model in words."""
    learner = as_learner(model, classes=task.classes)
    n = len(task.target)
    if isinstance(learner, OutOfFold):
        return learner.probabilities(n, task.classes) if task.classes else learner.values((n,)), repr(learner)
    if isinstance(learner, Mix):
        candidates = [cross_fit(candidate, task)[0] for candidate in learner.learners]
        mixed, shares = learner.combine(candidates, task.target, task.folds.codes, task.folds.count, task.weights)
        if learner.calibrated and task.classes:
            mixed = calibrate(mixed, task.target.astype(np.int32), task.folds.codes, task.folds.count, task.weights)
        parts = [f"{s:.0%} {type(c).__name__}" for s, c in zip(shares, learner.learners, strict=True)]
        return mixed, f"Mix({', '.join(parts)}{', calibrated' if learner.calibrated else ''})"
    if isinstance(learner, Foldwise):
        return (
            learner.cross_predict(task.matrix, task.target, task.folds.codes, task.folds.count, task.weights),
            repr(learner),
        )
    return _fold_by_fold(for_classes(learner, task.classes), task, np.ones(n, dtype=bool)), repr(learner)


def for_classes(learner: Learner, classes: int) -> Learner:
    """The learner, told how many classes there are where it needs to know."""
    return replace(learner, classes=classes) if isinstance(learner, Boosting | RandomForest) else learner


def _fold_by_fold(learner: Learner, task: Task, rows: NDArray[np.bool_]) -> FloatArray:
    """Fit on the chosen rows outside each fold, predict all rows inside it."""
    n = len(task.target)
    out = np.empty((n, task.classes) if task.classes else n)
    streams = np.random.default_rng(task.seed).spawn(task.folds.count)
    for fold, rng in enumerate(streams):
        inside = task.folds.codes == fold
        train = np.flatnonzero(rows & ~inside)
        weights = None if task.weights is None else task.weights[train]
        predictor = learner.fit(task.matrix[train], task.target[train], weights, rng=rng)
        out[inside] = predictor.predict(task.matrix[inside])
    return out


def cross_fit_chance(model: Any, task: Task, rows: NDArray[np.bool_]) -> tuple[FloatArray, str]:
    """Out-of-fold probability of the second of two classes for all rows, learned from some, and the model in words.

    A fold for which nothing was learned but the first class has probability 0.

    Args:
        rows: those to learn from.
    """
    learner = as_learner(model, classes=2)
    if isinstance(learner, OutOfFold):
        raise InvalidSetting(
            "A model is OutOfFold, which holds predictions for the rows; this one predicts each row at many times.",
            hint="give a classifier such as LogisticModel()",
        )
    if isinstance(learner, Mix):
        candidates = [cross_fit_chance(candidate, task, rows)[0] for candidate in learner.learners]
        mixed, shares = _mix_arm(learner, candidates, task, rows)
        if learner.calibrated:
            odds = log_odds(np.column_stack([1.0 - mixed, mixed]))
            mixed = _fold_by_fold(GENTLE, replace(task, matrix=odds), rows)[:, 1]
        parts = [f"{s:.0%} {type(c).__name__}" for s, c in zip(shares, learner.learners, strict=True)]
        return mixed, f"Mix({', '.join(parts)}{', calibrated' if learner.calibrated else ''})"
    happened = rows & (task.target > 0.0)
    never = [not happened[task.folds.codes != fold].any() for fold in range(task.folds.count)]
    if any(never):
        return np.zeros(len(rows)), "never in one of the folds"
    return _fold_by_fold(for_classes(learner, 2), task, rows)[:, 1], repr(learner)


def cross_fit_propensity(
    sample: Sample, model: Any, folds: Folds, seed: int, cache: NuisanceCache | None = None
) -> CrossFit:
    """P(arm | X) (rows × arms), in each row summing to one."""
    codes, arms = sample.treatment.codes, sample.treatment.arms
    task = Task(sample.covariates.matrix, codes.astype(float), folds, sample.weights, seed, arms)

    def compute() -> CrossFit:
        if task.matrix.shape[1] == 0 and not isinstance(model, OutOfFold):
            return _shares(task)
        try:
            found, words = cross_fit(model, task)
        except SeparatedPropensity as error:
            raise separation(error.column, sample.covariates.columns) from None
        return CrossFit(frozen(found), words)

    key = ("propensity", *_identity(model, arms), folds.count, seed, arms)
    return remember(cache, key, (task.matrix, codes, folds.codes, sample.weights, _given(model)), compute)


def _identity(model: Any, classes: int) -> tuple[Hashable, str]:
    """What tells models apart: equal settings for ours, the very object with its settings for one from elsewhere."""
    as_learner(model, classes=classes)
    return model, repr(model)


def _given(model: Any) -> NDArray[Any] | None:
    return np.asarray(model.predictions) if isinstance(model, OutOfFold) else None


def _shares(task: Task) -> CrossFit:
    """Without covariates the propensity is the share of each arm among the other folds."""
    w = np.ones(len(task.target)) if task.weights is None else task.weights
    cell = task.folds.codes * task.classes + task.target.astype(int)
    table = np.bincount(cell, weights=w, minlength=task.folds.count * task.classes).reshape(-1, task.classes)
    rest = table.sum(axis=0) - table
    return CrossFit(frozen((rest / rest.sum(axis=1, keepdims=True))[task.folds.codes]), "share of each arm")


def cross_fit_outcome_by_arm(
    sample: Sample, model: Any, folds: Folds, seed: int, cache: NuisanceCache | None = None
) -> CrossFit:
    """E[Y | arm, X] (rows × arms): one model per arm, learned from that arm's rows of the other folds."""
    codes, arms = sample.treatment.codes, sample.treatment.arms
    task = Task(sample.covariates.matrix, sample.outcome, folds, sample.weights, seed)

    def compute() -> CrossFit:
        found, words = _by_arm(_mean_without_covariates(model, task), task, codes, arms)
        return CrossFit(frozen(found), words)

    key = ("outcome by arm", *_identity(model, 0), folds.count, seed, arms)
    return remember(cache, key, (task.matrix, task.target, codes, folds.codes, task.weights, _given(model)), compute)


def _mean_without_covariates(model: Any, task: Task) -> Any:
    """Without covariates every model is the mean of the other folds, which least squares gives."""
    return LinearModel() if task.matrix.shape[1] == 0 and not isinstance(model, OutOfFold) else model


def _by_arm(model: Any, task: Task, codes: IntArray, arms: int) -> tuple[FloatArray, str]:
    learner = as_learner(model, classes=0)
    if isinstance(learner, OutOfFold):
        return learner.values((len(codes), arms)), repr(learner)
    if isinstance(learner, LinearModel):
        return _linear_by_arm(learner, task, codes, arms), repr(learner)
    if isinstance(learner, Mix):
        candidates = [_by_arm(candidate, task, codes, arms)[0] for candidate in learner.learners]
        mixed = np.empty((len(codes), arms))
        words: list[str] = []
        for arm in range(arms):
            mixed[:, arm], shares = _mix_arm(learner, [c[:, arm] for c in candidates], task, codes == arm)
            words.append("/".join(f"{s:.0%}" for s in shares))
        names = ", ".join(type(c).__name__ for c in learner.learners)
        return mixed, f"Mix({names}; per arm {', '.join(words)})"
    return np.column_stack([_fold_by_fold(learner, task, codes == arm) for arm in range(arms)]), repr(learner)


def _mix_arm(
    mix: Mix, candidates: list[FloatArray], task: Task, rows: NDArray[np.bool_]
) -> tuple[FloatArray, FloatArray]:
    """Weights from the arm's own rows, used for all rows."""
    out = np.empty(len(task.target))
    shares: list[FloatArray] = []
    for fold in range(task.folds.count):
        inside = task.folds.codes == fold
        train = rows & ~inside
        weights = None if task.weights is None else task.weights[train]
        share = mix.weigh([c[train] for c in candidates], task.target[train], weights)
        shares.append(share)
        out[inside] = sum(s * c[inside] for s, c in zip(share, candidates, strict=True))
    return out, np.mean(shares, axis=0)


def _linear_by_arm(learner: LinearModel, task: Task, codes: IntArray, arms: int) -> FloatArray:
    """All arms and folds from one pass over the rows."""
    groups, count = learner.groups(task.matrix, task.target, task.folds.codes, task.folds.count)
    parts = fold_moments(task.matrix, task.target, groups * np.int32(arms) + codes, count * arms, task.weights)
    columns: list[FloatArray] = []
    for arm in range(arms):
        own = select_groups(parts, np.arange(count) * arms + arm)
        models = learner.cross_coefficients(own, task.folds.count)
        columns.append(fold_predict(task.matrix, models, task.folds.codes))
    return np.column_stack(columns)


def cross_fit_outcome_mean(
    sample: Sample, model: Any, folds: Folds, seed: int, cache: NuisanceCache | None = None
) -> CrossFit:
    """E[Y | X] (rows)."""
    return _cross_fit_mean("outcome", sample, sample.outcome, model, folds, seed, cache)


def cross_fit_treatment_mean(
    sample: Sample, model: Any, folds: Folds, seed: int, cache: NuisanceCache | None = None
) -> CrossFit:
    """E[T | X] of an amount (rows)."""
    return _cross_fit_mean("treatment", sample, sample.treatment.values, model, folds, seed, cache)


def _cross_fit_mean(
    what: str, sample: Sample, target: FloatArray, model: Any, folds: Folds, seed: int, cache: NuisanceCache | None
) -> CrossFit:
    task = Task(sample.covariates.matrix, target, folds, sample.weights, seed)

    def compute() -> CrossFit:
        found, words = cross_fit(_mean_without_covariates(model, task), task)
        return CrossFit(frozen(found), words)

    key = (what, *_identity(model, 0), folds.count, seed)
    return remember(cache, key, (task.matrix, target, folds.codes, task.weights, _given(model)), compute)
