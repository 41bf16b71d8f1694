"""The R-learner: what is left of the outcome explained by what is left of the treatment."""

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
class RLearner(EffectLearner, Estimator):
    """Free outcome and treatment of what the covariates explain; let the effect explain the rest.

    **Answers** how large the effect is for units with given covariates, when the influence of the covariates on the
    outcome is harder to learn than the effect. Units that could have gone either way count most.

    **Estimates** τ(x) by the weighted regression that minimises the R-loss over the rows of the two arms,

        Σ w [(Y − m(X)) − τ(X) (1{T = a} − e(X))]²,

    with m = E[Y | X] and e = P(T = a | X) out of fold; `estimate()` averages over the estimand's population by the
    doubly robust score, as `AIPW` does with the same models.

    **Assumes** no unmeasured confounding (probe: omitted-variable bounds, negative controls), overlap (probe: the
    propensity plot), and nuisance models whose errors are small beside the effect's own (squared).

    Args:
        outcome_model: E[Y | X], and E[Y | T, X] for the average; a Butfor learner, a scikit-learn regressor. Default:
            cross-validated mix of penalised linear model and early-stopped boosting.
        propensity_model: P(T | X); likewise, or `OutOfFold(predictions)`. Default: the same mix for classes,
            calibrated.
        effect_model: τ(X); a regressor that takes weights. Default: cross-validated mix of a constant, a penalised
            linear model and early-stopped boosting.
        folds: cross-fitting folds, at least 3.
        floor: propensities are never taken below this; how many were is a diagnostic.

    References:
        Nie and Wager 2021 (doi:10.1093/biomet/asaa076); Robinson 1988 (doi:10.2307/1912705).

    >>> import butfor as bf, numpy as np
    >>> rng = np.random.default_rng(1)
    >>> x, t = rng.normal(size=400), rng.integers(0, 2, 400)
    >>> linear = {"outcome_model": bf.LinearModel(), "propensity_model": bf.LogisticModel()}
    >>> learner = RLearner(effect_model=bf.LinearModel(), **linear)
    >>> fit = learner.fit({"t": t, "x": x, "y": 2 * t + x}, treatment="t", outcome="y", covariates=["x"])
    >>> fit.effect({"x": [1.0, 2.0]}).value.round(1).tolist()
    [[2.0], [2.0]]
    """

    effect_model: Learner | None = None

    name: ClassVar[str] = "r_learner"
    title: ClassVar[str] = "R-learner"
    treatments: ClassVar[tuple[TreatmentKind, ...]] = ("binary", "arms")

    @property
    def learners(self) -> tuple[Learner | None, ...]:
        """The models of outcome, treatment and effect."""
        return (self.outcome_model, self.propensity_model, self.effect_model)

    def learn(self, nuisances: Nuisances) -> PerContrast:
        """A weighted regression per contrast."""
        return regress_each(nuisances, EffectLoss.R, self.effect_model)
