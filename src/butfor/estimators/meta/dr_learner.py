"""The DR-learner: doubly robust scores regressed on the covariates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from butfor.data.sample import TreatmentKind
from butfor.estimators.base import Estimator
from butfor.estimators.meta.learner import EffectLearner
from butfor.estimators.meta.nuisances import Nuisances
from butfor.estimators.meta.targets import EffectLoss, PerContrast, regress_each
from butfor.nuisance.learner import Learner


@dataclass(frozen=True, kw_only=True)
class DRLearner(EffectLearner, Estimator):
    """Give each unit an unbiased, noisy effect of its own, and regress these on the covariates.

    **Answers** how large the effect is for units with given covariates, with errors of outcome and treatment models
    that matter only by their product. Weak overlap makes the units' own effects noisy: compare with `RLearner()`.

    **Estimates** τ(x) = E[Γ_a − Γ_b | X = x] with Γ_a = μ_a(X) + 1{T = a}(Y − μ_a(X)) / e_a(X) out of fold;
    `estimate()` averages over the estimand's population by the same scores, as `AIPW` does with the same models.

    **Assumes** no unmeasured confounding (probe: omitted-variable bounds, negative controls), overlap (probe: the
    propensity plot, effective sample size), and nuisance models whose errors multiply to less than the effect's own.

    Args:
        outcome_model: E[Y | T, X]; a Butfor learner, a scikit-learn regressor or `OutOfFold(predictions)`. Default:
            cross-validated mix of penalised linear model and early-stopped boosting.
        propensity_model: P(T | X); likewise. Default: the same mix for classes, calibrated.
        effect_model: τ(X); a regressor. Default: cross-validated mix of a constant, a penalised linear model and
            early-stopped boosting.
        folds: cross-fitting folds, at least 3.
        floor: propensities are never taken below this; how many were is a diagnostic.

    References:
        Kennedy 2023 (doi:10.1214/23-EJS2157); Foster and Syrgkanis 2023 (doi:10.1214/23-AOS2258).

    >>> import butfor as bf, numpy as np
    >>> rng = np.random.default_rng(1)
    >>> x, t = rng.normal(size=400), rng.integers(0, 2, 400)
    >>> linear = {"outcome_model": bf.LinearModel(), "propensity_model": bf.LogisticModel()}
    >>> learner = DRLearner(effect_model=bf.LinearModel(), **linear)
    >>> fit = learner.fit({"t": t, "x": x, "y": t * x}, treatment="t", outcome="y", covariates=["x"])
    >>> fit.effect({"x": [1.0, 2.0]}).value.round(6).tolist()
    [[1.0], [2.0]]
    """

    effect_model: Learner | None = None

    name: ClassVar[str] = "dr_learner"
    title: ClassVar[str] = "DR-learner"
    treatments: ClassVar[tuple[TreatmentKind, ...]] = ("binary", "arms")

    @property
    def learners(self) -> tuple[Learner | None, ...]:
        """The models of outcome, treatment and effect."""
        return (self.outcome_model, self.propensity_model, self.effect_model)

    def learn(self, nuisances: Nuisances) -> PerContrast:
        """A regression of scores per contrast."""
        return regress_each(nuisances, EffectLoss.DR, self.effect_model)
