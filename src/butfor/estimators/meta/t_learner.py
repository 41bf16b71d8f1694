"""The T-learner: a model of the outcome per arm, and their difference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from butfor.data.sample import TreatmentKind
from butfor.estimators.base import Estimator
from butfor.estimators.meta.learner import EffectLearner
from butfor.estimators.meta.nuisances import Nuisances
from butfor.nuisance.learner import Predictor
from butfor.nuisance.whole import learn

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class ArmDifference:
    """Models of the outcome by arm, and the contrasts asked for."""

    arms: dict[int, Predictor]
    contrasts: tuple[tuple[int, int], ...]

    def predict(self, matrix: FloatArray) -> FloatArray:
        """Effects (rows × contrasts)."""
        mean = {arm: p.predict(matrix) for arm, p in self.arms.items()}
        return np.column_stack([mean[a] - mean[b] for a, b in self.contrasts])


@dataclass(frozen=True, kw_only=True)
class TLearner(EffectLearner, Estimator):
    """Model the outcome in each arm by itself; the effect of a unit is the difference of its two predictions.

    **Answers** how large the effect is for units with given covariates, when the arms are large and have little in
    common. What both arms share is learned twice, so that small differences drown in the models' errors: compare with
    `RLearner()` or `EffectStack()`.

    **Estimates** τ(x) = E[Y | T = a, X = x] − E[Y | T = b, X = x] for each contrast; `estimate()` averages over the
    estimand's population by the doubly robust score, as `AIPW` does with the same models.

    **Assumes** no unmeasured confounding (probe: omitted-variable bounds, negative controls), overlap (probe: the
    propensity plot), and an outcome model that is right in both arms wherever it is asked (probe: compare learners).

    Args:
        outcome_model: E[Y | T, X], one per arm; a Butfor learner or a scikit-learn regressor. Default:
            cross-validated mix of penalised linear model and early-stopped boosting.
        propensity_model: P(T | X), for the average only. Default: the same mix for classes, calibrated.
        folds: cross-fitting folds, at least 3.
        floor: propensities are never taken below this; how many were is a diagnostic.

    References:
        Künzel, Sekhon, Bickel and Yu 2019 (doi:10.1073/pnas.1804597116).

    >>> import butfor as bf, numpy as np
    >>> rng = np.random.default_rng(1)
    >>> x, t = rng.normal(size=400), rng.integers(0, 2, 400)
    >>> linear = {"outcome_model": bf.LinearModel(), "propensity_model": bf.LogisticModel()}
    >>> fit = TLearner(**linear).fit({"t": t, "x": x, "y": t * x}, treatment="t", outcome="y", covariates=["x"])
    >>> fit.effect({"x": [1.0, 2.0]}).value.round(6).tolist()
    [[1.0], [2.0]]
    """

    name: ClassVar[str] = "t_learner"
    title: ClassVar[str] = "T-learner"
    treatments: ClassVar[tuple[TreatmentKind, ...]] = ("binary", "arms")

    def learn(self, nuisances: Nuisances) -> ArmDifference:
        """A model per compared arm."""
        treatment, outcome = nuisances.sample.treatment, nuisances.sample.outcome
        models: dict[int, Predictor] = {}
        for arm in sorted({code for pair in treatment.contrasts for code in pair}):
            rows = np.flatnonzero(treatment.codes == arm)
            models[arm] = learn(nuisances.models.of_outcome, nuisances.task(outcome[rows], rows))
        return ArmDifference(models, treatment.contrasts)
