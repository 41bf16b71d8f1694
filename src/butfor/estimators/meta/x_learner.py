"""The X-learner: each arm's outcomes against what the other arm's model says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from butfor.data.sample import TreatmentKind
from butfor.estimators.base import Estimator
from butfor.estimators.meta.learner import EffectLearner
from butfor.estimators.meta.nuisances import Nuisances
from butfor.estimators.meta.targets import regress
from butfor.nuisance.learner import Learner, Predictor
from butfor.nuisance.whole import learn

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Crossed:
    """Per contrast the effects learned in its two arms, and the propensity that blends them."""

    effects: tuple[tuple[Predictor, Predictor], ...]
    propensity: Predictor
    contrasts: tuple[tuple[int, int], ...]

    def predict(self, matrix: FloatArray) -> FloatArray:
        """Effects (rows × contrasts): e τ_b + (1 − e) τ_a, more of the one that comes from the larger arm's model."""
        chances = np.maximum(self.propensity.predict(matrix), 1e-300)
        columns: list[FloatArray] = []
        for (a, b), (of_treated, of_reference) in zip(self.contrasts, self.effects, strict=True):
            share = chances[:, a] / (chances[:, a] + chances[:, b])
            columns.append(share * of_reference.predict(matrix) + (1.0 - share) * of_treated.predict(matrix))
        return np.column_stack(columns)


@dataclass(frozen=True, kw_only=True)
class XLearner(EffectLearner, Estimator):
    """Set each unit's outcome against what the other arm's model predicts for it; learn the effect from the gaps.

    **Answers** how large the effect is for units with given covariates, above all when one arm is much larger than the
    other: the larger arm's model, which is good, does most of the work.

    **Estimates** τ(x) = e(x) τ_b(x) + (1 − e(x)) τ_a(x), where τ_a regresses Y − μ_b(X) on X in arm a, τ_b regresses
    μ_a(X) − Y in arm b, and e = P(T = a | X, one of the two); `estimate()` averages over the estimand's population by
    the doubly robust score, as `AIPW` does with the same models.

    **Assumes** no unmeasured confounding (probe: omitted-variable bounds, negative controls), overlap (probe: the
    propensity plot), and a good outcome model where it is asked; it is not orthogonal to its errors (probe: compare
    with `DRLearner()`).

    Args:
        outcome_model: E[Y | T, X], one per arm; a Butfor learner, a scikit-learn regressor or `OutOfFold(predictions)`.
            Default: cross-validated mix of penalised linear model and early-stopped boosting.
        propensity_model: P(T | X); a learner or classifier. Default: the same mix for classes, calibrated.
        effect_model: τ_a(X) and τ_b(X); a regressor. Default: cross-validated mix of a constant, a penalised linear
            model and early-stopped boosting.
        folds: cross-fitting folds, at least 3.
        floor: propensities are never taken below this in the average; how many were is a diagnostic.

    References:
        Künzel, Sekhon, Bickel and Yu 2019 (doi:10.1073/pnas.1804597116).

    >>> import butfor as bf, numpy as np
    >>> rng = np.random.default_rng(1)
    >>> x, t = rng.normal(size=400), rng.integers(0, 2, 400)
    >>> linear = {"outcome_model": bf.LinearModel(), "propensity_model": bf.LogisticModel()}
    >>> learner = XLearner(effect_model=bf.LinearModel(), **linear)
    >>> fit = learner.fit({"t": t, "x": x, "y": t * x}, treatment="t", outcome="y", covariates=["x"])
    >>> fit.effect({"x": [1.0, 2.0]}).value.round(6).tolist()
    [[1.0], [2.0]]
    """

    effect_model: Learner | None = None

    name: ClassVar[str] = "x_learner"
    title: ClassVar[str] = "X-learner"
    treatments: ClassVar[tuple[TreatmentKind, ...]] = ("binary", "arms")

    @property
    def learners(self) -> tuple[Learner | None, ...]:
        """The models of outcome, treatment and effect."""
        return (self.outcome_model, self.propensity_model, self.effect_model)

    def learn(self, nuisances: Nuisances) -> Crossed:
        """Two regressions per contrast, and the propensity."""
        treatment = nuisances.sample.treatment
        codes = nuisances.task(treatment.codes.astype(float))
        propensity = learn(nuisances.models.of_treatment, replace(codes, classes=treatment.arms))
        effects = tuple(
            (self._gaps(nuisances, a, b), self._gaps(nuisances, b, a, -1.0)) for a, b in treatment.contrasts
        )
        return Crossed(effects, propensity, treatment.contrasts)

    def _gaps(self, nuisances: Nuisances, own: int, other: int, sign: float = 1.0) -> Predictor:
        """The effect as the rows of one arm show it against the model of the other."""
        rows = np.flatnonzero(nuisances.sample.treatment.codes == own)
        gap = nuisances.sample.outcome[rows] - nuisances.outcomes.values[rows, other]
        return regress(self.effect_model, nuisances.task(sign * gap, rows))
