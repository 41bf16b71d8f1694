"""One predictor for new rows, learned from all rows at hand: the counterpart of the cross-fitter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from butfor.nuisance.calibration import GENTLE, log_odds
from butfor.nuisance.crossfit import Task, cross_fit, for_classes
from butfor.nuisance.learner import Predictor
from butfor.nuisance.mix import Mix
from butfor.nuisance.wrap import as_learner

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class MixPredictor:
    """The candidates of a mix fitted to all rows, their shares, and how to recalibrate (None: not)."""

    predictors: tuple[Predictor, ...]
    shares: FloatArray
    calibration: Predictor | None

    def predict(self, matrix: FloatArray) -> FloatArray:
        """Expected target, or probabilities (rows × classes)."""
        parts = [share * p.predict(matrix) for share, p in zip(self.shares.tolist(), self.predictors, strict=True)]
        mixed = np.sum(parts, axis=0)
        return mixed if self.calibration is None else self.calibration.predict(log_odds(mixed))


def learn(model: Any, task: Task) -> Predictor:
    """A predictor from all rows of the task. Only a mix needs its folds: they decide the shares of its candidates."""
    learner = as_learner(model, classes=task.classes)
    if isinstance(learner, Mix):
        return _learn_mix(learner, task)
    rng = np.random.default_rng(task.seed)
    return for_classes(learner, task.classes).fit(task.matrix, task.target, task.weights, rng=rng)


def _learn_mix(mix: Mix, task: Task) -> MixPredictor:
    candidates = [cross_fit(candidate, task)[0] for candidate in mix.learners]
    shares = mix.weigh(candidates, mix.goal(candidates[0], task.target), task.weights)
    # A candidate without a share would cost its fit and change nothing.
    chosen = [(share, c) for share, c in zip(shares.tolist(), mix.learners, strict=True) if share > 0.0]
    calibration = None
    if mix.calibrated and task.classes:
        mixed = mix.combine(candidates, task.target, task.folds.codes, task.folds.count, task.weights)[0]
        calibration = GENTLE.fit(log_odds(mixed), task.target, task.weights, rng=task.seed)
    predictors = tuple(learn(candidate, task) for _, candidate in chosen)
    return MixPredictor(predictors, np.array([share for share, _ in chosen]), calibration)
