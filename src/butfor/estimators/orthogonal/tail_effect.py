"""Effects on the mean above a quantile (conditional value at risk), by doubly robust scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from butfor.core.rng import Seed, seed_of
from butfor.data.sample import Sample, TreatmentKind
from butfor.estimators.base import Estimator
from butfor.estimators.orthogonal.quantiles import (
    ArmFit,
    arm_chances,
    arm_fit,
    check_quantiles,
    refuse_others,
    tail_means,
)
from butfor.estimators.orthogonal.repetition import over_repetitions
from butfor.estimators.orthogonal.residuals import Split
from butfor.estimators.orthogonal.settings import check_floor, check_splitting
from butfor.identify.strategies import Strategy
from butfor.nuisance.cache import NuisanceCache
from butfor.nuisance.learner import Learner
from butfor.question import ATE, CVaRE, Question


@dataclass(frozen=True, kw_only=True)
class TailEffect(Estimator):
    """Compare the mean of the highest outcomes if everyone were treated with that if no one were.

    **Answers** what the treatment does to the worst (or best) cases taken together: the mean of the top tenth of costs,
    losses or waiting times. For the bottom, turn the sign of the outcome.

    **Estimates** E[Y(1) | Y(1) ≥ F₁⁻¹(q)] − E[Y(0) | Y(0) ≥ F₀⁻¹(q)] for everyone: the effect on the conditional value
    at risk (expected shortfall). With θ_a the quantile of arm a and u_a = θ_a + max(Y − θ_a, 0)/(1 − q), each mean is

        E[g_a(X) + 1{T = a}(u_a − g_a(X)) / e_a(X)],   g_a(x) = E[u_a | T = a, X = x];

    an error in θ_a matters to second order.

    **Assumes** no unmeasured confounding (probe: negative controls, a placebo treatment), overlap (probe: the
    propensity plot), a finite variance of the outcome in the tail, and nuisance models whose errors multiply to less
    than 1/√n.

    Args:
        quantiles: q, each between 0 and 1; the first one answers the question.
        outcome_model: g; a Butfor learner, a scikit-learn regressor, or `OutOfFold(predictions)` for a single quantile
            (rows × arms).
        propensity_model: P(T | X); a classifier.
        folds: cross-fitting folds.
        floor: propensities are never taken below this; how many were is a diagnostic.
        repetitions: how many ways to split the rows into folds; the answer is the median over them.

    Raises:
        MethodMismatch: for an amount, for subgroups, or for another population than everyone.

    References:
        Kallus, Mao and Uehara 2024 (arXiv:1912.12945), section 2.3; Rockafellar and Uryasev 2000
        (doi:10.21314/JOR.2000.038).

    >>> import butfor as bf, numpy as np
    >>> rng = np.random.default_rng(1)
    >>> x = rng.normal(size=2000)
    >>> t = (x + rng.normal(size=2000) > 0).astype(int)
    >>> y = x + rng.normal(size=2000) * (1 + t)
    >>> worst = bf.TailEffect(outcome_model=bf.LinearModel(), propensity_model=bf.LogisticModel())
    >>> fit = worst.fit({"t": t, "x": x, "y": y}, treatment="t", outcome="y", covariates=["x"])
    >>> fit.result.labels, bool(fit.result.value[0] > 1)
    (('t: 1 - 0, mean above quantile 0.9',), True)
    """

    quantiles: tuple[float, ...] = (0.9,)
    outcome_model: Learner | None = None
    propensity_model: Learner | None = None
    folds: int = 5
    floor: float = 0.01
    repetitions: int = 1

    name: ClassVar[str] = "tail_effect"
    title: ClassVar[str] = "Tail effect"
    treatments: ClassVar[tuple[TreatmentKind, ...]] = ("binary", "arms")

    def __post_init__(self) -> None:
        object.__setattr__(self, "quantiles", tuple(float(q) for q in np.atleast_1d(self.quantiles)))
        check_quantiles(self.quantiles)
        check_floor(self.floor, self.title)
        check_splitting(self.folds, self.repetitions)

    @property
    def learners(self) -> tuple[Learner | None, ...]:
        """The models of outcome and treatment."""
        return (self.outcome_model, self.propensity_model)

    def fit_sample(
        self,
        sample: Sample,
        question: Question,
        strategy: Strategy,
        *,
        rng: Seed = 0,
        cache: NuisanceCache | None = None,
    ) -> ArmFit:
        """Fit on a clean sample; `rng` decides the folds."""
        self.check(sample, strategy)
        refuse_others(question, self.title, (ATE(), CVaRE()))
        seed = rng if isinstance(rng, int) else seed_of(rng)
        return over_repetitions(
            self.repetitions,
            seed,
            lambda s: self._fit_once(sample, question, strategy, Split.of(sample, self.folds, s, cache)),
        )

    def _fit_once(self, sample: Sample, question: Question, strategy: Strategy, split: Split) -> ArmFit:
        chances = arm_chances(sample, self.propensity_model, self.floor, split)
        found = [tail_means(sample, chances.values, q, self.outcome_model, split) for q in self.quantiles]
        return arm_fit(self, (sample, question, strategy, split), chances, found, CVaRE())
