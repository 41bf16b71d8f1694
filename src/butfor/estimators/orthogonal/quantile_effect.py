"""Effects on quantiles of the outcome, by doubly robust scores."""

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
    potential_quantiles,
    refuse_others,
)
from butfor.estimators.orthogonal.repetition import over_repetitions
from butfor.estimators.orthogonal.residuals import Split
from butfor.estimators.orthogonal.settings import check_floor, check_splitting
from butfor.identify.strategies import Strategy
from butfor.nuisance.cache import NuisanceCache
from butfor.nuisance.learner import Learner
from butfor.question import ATE, QTE, Question


@dataclass(frozen=True, kw_only=True)
class QuantileEffect(Estimator):
    """Compare quantiles of the outcome if everyone were treated with those if no one were.

    **Answers** where in the distribution the treatment changes the outcome: at the bottom, in the middle, at the top.
    It is not the effect on those who are there: a unit may have another rank with the treatment than without.

    **Estimates** F₁⁻¹(q) − F₀⁻¹(q), with F_a the distribution of Y(a) in everyone. F_a⁻¹(q) is the θ that solves

        E[g_a(X) + 1{T = a}(1{Y ≤ θ} − g_a(X)) / e_a(X)] = q,   g_a(x) = P(Y ≤ θ | T = a, X = x).

    **Assumes** no unmeasured confounding (probe: negative controls, a placebo treatment), overlap (probe: the
    propensity plot), an outcome with a density at the quantiles (probe: a diagnostic says where values are heaped), and
    nuisance models whose errors multiply to less than 1/√n.

    Args:
        quantiles: q, each between 0 and 1; the first one answers the question.
        outcome_model: g; a Butfor learner, a scikit-learn regressor, or `OutOfFold(predictions)` for a single quantile
            (rows × arms). It is fitted near the answer: at the quantile that weighting alone finds.
        propensity_model: P(T | X); a classifier.
        folds: cross-fitting folds.
        floor: propensities are never taken below this; how many were is a diagnostic.
        repetitions: how many ways to split the rows into folds; the answer is the median over them.

    Raises:
        MethodMismatch: for an amount, for subgroups, or for another population than everyone.
        NumericalFailure: where an arm's outcomes do not vary.

    References:
        Firpo 2007 (doi:10.1111/j.1468-0262.2007.00738.x); Belloni, Chernozhukov, Fernández-Val and Hansen 2017
        (doi:10.3982/ECTA12723); Kallus, Mao and Uehara 2024 (arXiv:1912.12945).

    >>> import butfor as bf, numpy as np
    >>> rng = np.random.default_rng(1)
    >>> x = rng.normal(size=2000)
    >>> t = (x + rng.normal(size=2000) > 0).astype(int)
    >>> y = x + rng.normal(size=2000) * (1 + t)
    >>> spread = bf.QuantileEffect(
    ...     quantiles=(0.1, 0.9), outcome_model=bf.LinearModel(), propensity_model=bf.LogisticModel()
    ... )
    >>> low, high = spread.fit({"t": t, "x": x, "y": y}, treatment="t", outcome="y", covariates=["x"]).result.value
    >>> bool(low < -0.5), bool(high > 0.5)
    (True, True)
    """

    quantiles: tuple[float, ...] = (0.5,)
    outcome_model: Learner | None = None
    propensity_model: Learner | None = None
    folds: int = 5
    floor: float = 0.01
    repetitions: int = 1

    name: ClassVar[str] = "quantile_effect"
    title: ClassVar[str] = "Quantile effect"
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
        refuse_others(question, self.title, (ATE(), QTE()))
        seed = rng if isinstance(rng, int) else seed_of(rng)
        return over_repetitions(
            self.repetitions,
            seed,
            lambda s: self._fit_once(sample, question, strategy, Split.of(sample, self.folds, s, cache)),
        )

    def _fit_once(self, sample: Sample, question: Question, strategy: Strategy, split: Split) -> ArmFit:
        chances = arm_chances(sample, self.propensity_model, self.floor, split)
        found = [potential_quantiles(sample, chances.values, q, self.outcome_model, split) for q in self.quantiles]
        return arm_fit(self, (sample, question, strategy, split), chances, found, QTE())
