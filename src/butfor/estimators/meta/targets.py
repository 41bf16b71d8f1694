"""Pseudo-outcomes: what an effect is regressed on.

A target is a number per row whose (weighted) regression on the covariates is the effect τ_ab(X) of arm a against b:

    R   (Y − m) / (1{T = a} − e),  weights (1{T = a} − e)²      Nie and Wager 2021, equation 4
    DR  Γ_a − Γ_b                                               Kennedy 2023

with m = E[Y | X] and e = P(T = a | X) among the rows of the two arms, and Γ the doubly robust scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import InvalidSetting
from butfor.estimators.meta.nuisances import Nuisances
from butfor.nuisance.crossfit import Task
from butfor.nuisance.defaults import default_effect_model
from butfor.nuisance.learner import Predictor
from butfor.nuisance.whole import learn

FloatArray = NDArray[np.float64]


class EffectModel(Protocol):
    """What a meta-learner learned: the effect of each contrast at any point of the covariates."""

    def predict(self, matrix: FloatArray) -> FloatArray:
        """Effects (rows × contrasts)."""
        ...


@dataclass(frozen=True)
class PerContrast:
    """A regression of its own for each contrast."""

    predictors: tuple[Predictor, ...]

    def predict(self, matrix: FloatArray) -> FloatArray:
        """Effects (rows × contrasts)."""
        return np.column_stack([p.predict(matrix) for p in self.predictors])


class EffectLoss(StrEnum):
    """By which squared error effects are judged."""

    R = "R"
    DR = "DR"

    @classmethod
    def of(cls, kind: EffectLoss | str) -> EffectLoss:
        """The loss by its name."""
        try:
            return cls(kind)
        except ValueError as error:
            raise InvalidSetting(
                f"loss is {kind!r}; effects are judged by one of {', '.join(cls)}.", hint="loss='R'"
            ) from error


@dataclass(frozen=True, eq=False)
class EffectTarget:
    """What stands for the effect of each row, and how much it counts (on top of the sample's weights).

    Attributes:
        rows: which rows of the sample (m).
        values, weights: one per such row; no weights means that all count alike.
    """

    rows: NDArray[np.intp]
    values: FloatArray
    weights: FloatArray | None


def effect_target(nuisances: Nuisances, loss: EffectLoss, first: int, second: int) -> EffectTarget:
    """Pseudo-outcomes of the effect of the first arm against the second."""
    sample = nuisances.sample
    if loss is EffectLoss.DR:
        scores = nuisances.scores
        return EffectTarget(np.arange(sample.n), scores[:, first] - scores[:, second], None)
    pair = nuisances.pair(first, second)
    treatment = pair.treated - pair.share
    outcome = sample.outcome[pair.rows] - nuisances.outcome_mean(pair.rows)
    return EffectTarget(pair.rows, outcome / treatment, treatment**2)


def regress(model: Any, task: Task) -> Predictor:
    """The effect's regression (None: the default mix)."""
    return learn(default_effect_model() if model is None else model, task)


def regress_each(nuisances: Nuisances, loss: EffectLoss, model: Any) -> PerContrast:
    """One regression per contrast."""
    targets = [effect_target(nuisances, loss, a, b) for a, b in nuisances.sample.treatment.contrasts]
    return PerContrast(tuple(regress(model, nuisances.task(t.values, t.rows, t.weights)) for t in targets))
