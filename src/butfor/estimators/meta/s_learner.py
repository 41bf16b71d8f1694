"""The S-learner: one model of the outcome with the treatment among its columns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from butfor.data.sample import IntArray, TreatmentKind
from butfor.estimators.base import Estimator
from butfor.estimators.meta.learner import EffectLearner
from butfor.estimators.meta.nuisances import Nuisances
from butfor.nuisance.learner import Predictor
from butfor.nuisance.whole import learn

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class SinglePredictor:
    """A model of the outcome that is asked about each arm in turn."""

    outcome: Predictor
    arms: int
    contrasts: tuple[tuple[int, int], ...]
    interactions: bool

    def predict(self, matrix: FloatArray) -> FloatArray:
        """Effects (rows × contrasts)."""
        asked = sorted({code for pair in self.contrasts for code in pair})
        everyone = {arm: np.full(len(matrix), arm, dtype=np.int32) for arm in asked}
        mean = {
            arm: self.outcome.predict(with_treatment(matrix, codes, self.arms, interactions=self.interactions))
            for arm, codes in everyone.items()
        }
        return np.column_stack([mean[a] - mean[b] for a, b in self.contrasts])


@dataclass(frozen=True, kw_only=True)
class SLearner(EffectLearner, Estimator):
    """Model the outcome once, with the treatment as one more column; ask the model what the other arm would bring.

    **Answers** how large the effect is for units with given covariates, when effects are small beside what the
    covariates do to the outcome. A penalised learner may shrink the effect to zero along with everything else: compare
    with `RLearner()` or `EffectStack()`.

    **Estimates** τ(x) = μ(x, a) − μ(x, b) with μ(x, t) = E[Y | X = x, T = t]; `estimate()` averages over the estimand's
    population by the doubly robust score, as `AIPW` does with the same models.

    **Assumes** no unmeasured confounding (probe: omitted-variable bounds, negative controls), overlap (probe: the
    propensity plot), and an outcome model that is right wherever it is asked (probe: compare learners).

    Args:
        outcome_model: E[Y | T, X]; a Butfor learner or a scikit-learn regressor. Default: cross-validated mix of
            penalised linear model and early-stopped boosting.
        propensity_model: P(T | X), for the average only. Default: the same mix for classes, calibrated.
        folds: cross-fitting folds, at least 3.
        floor: propensities are never taken below this; how many were is a diagnostic.
        interactions: give the model the products of treatment and covariates too; linear models need them to see
            effects that differ.

    References:
        Künzel, Sekhon, Bickel and Yu 2019 (doi:10.1073/pnas.1804597116); Hill 2011 (doi:10.1198/jcgs.2010.08162).

    >>> import butfor as bf, numpy as np
    >>> rng = np.random.default_rng(1)
    >>> x, t = rng.normal(size=400), rng.integers(0, 2, 400)
    >>> linear = {"outcome_model": bf.LinearModel(), "propensity_model": bf.LogisticModel()}
    >>> learner = SLearner(interactions=True, **linear)
    >>> fit = learner.fit({"t": t, "x": x, "y": t * x}, treatment="t", outcome="y", covariates=["x"])
    >>> fit.effect({"x": [1.0, 2.0]}).value.round(6).tolist()
    [[1.0], [2.0]]
    """

    interactions: bool = False

    name: ClassVar[str] = "s_learner"
    title: ClassVar[str] = "S-learner"
    treatments: ClassVar[tuple[TreatmentKind, ...]] = ("binary", "arms")

    def learn(self, nuisances: Nuisances) -> SinglePredictor:
        """One model of the outcome."""
        sample = nuisances.sample
        treatment, matrix = sample.treatment, sample.covariates.matrix
        columns = with_treatment(matrix, treatment.codes, treatment.arms, interactions=self.interactions)
        task = replace(nuisances.task(sample.outcome), matrix=columns)
        model = learn(nuisances.models.of_outcome, task)
        return SinglePredictor(model, treatment.arms, treatment.contrasts, self.interactions)


def with_treatment(matrix: FloatArray, codes: IntArray, arms: int, *, interactions: bool) -> FloatArray:
    """The covariates and 1{T = a} − 1/arms for each arm but the first, so that swapped labels change signs only."""
    indicators = (codes[:, None] == np.arange(1, arms)) - 1.0 / arms
    products = [matrix * column[:, None] for column in indicators.T] if interactions else []
    return np.column_stack([matrix, indicators, *products])
