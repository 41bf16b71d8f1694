"""Controlled direct effects: what the treatment does while the mediators are held fixed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from butfor.core.errors import InvalidSetting, MethodMismatch
from butfor.core.rng import Seed, seed_of
from butfor.core.serial import public_value
from butfor.data.sample import FloatArray, Sample, TreatmentKind
from butfor.estimators.base import Estimator, Fit, Roles, describe
from butfor.estimators.mediation.held import Held
from butfor.estimators.mediation.refusals import has_formula, mediators_of, refuse_other_questions
from butfor.identify.mediation.strategy import MediationStrategy, declared_mediation
from butfor.identify.strategies import Strategy
from butfor.inference.doubly_robust import doubly_robust_scores
from butfor.inference.estimate import Estimate
from butfor.inference.ratio import ratio_effects
from butfor.nuisance.cache import NuisanceCache
from butfor.nuisance.crossfit import cross_fit_outcome_by_arm, cross_fit_propensity
from butfor.nuisance.defaults import default_outcome_model, default_propensity_model
from butfor.nuisance.folds import sample_folds
from butfor.nuisance.learner import Learner
from butfor.nuisance.overlap import lift
from butfor.question import Estimand, Question


@public_value
@dataclass(frozen=True, kw_only=True)
class CDE(Estimand):
    """Controlled direct effect: what does the treatment do while the mediators are held at one value for everyone?

    It is about everyone, and about a change that no function h of the covariates picks.
    """

    code: ClassVar[str] = "CDE"
    formula: ClassVar[str] = "E[Y(1, m) − Y(0, m)]"
    who: ClassVar[str] = "everyone, with the mediators held at the same value"

    def _tilt(self, propensity: FloatArray, treated: int, reference: int) -> tuple[FloatArray, FloatArray]:
        raise MethodMismatch(
            "The CDE holds mediators at a value; it needs mediators.", hint="ControlledDirect() with mediators="
        )


@dataclass(frozen=True, kw_only=True)
class ControlledDirect(Estimator):
    """Change the treatment while the mediators are held at a value, by AIPW of both together.

    **Answers** what the treatment would do to the outcome if the mediators were set to the same value for everyone.

    **Estimates** the controlled direct effect E[Y(1, m) − Y(0, m)] for each combination m of the mediators' values, by
    AIPW with the pairs (treatment, mediators) as arms, e_tm(X) = P(T = t, M = m | X):

        Γ_tm = μ_tm(X) + 1{T = t, M = m}/e_tm(X) (Y − μ_tm(X)).

    Unlike natural direct effects it assumes nothing across worlds: an experiment that sets both could show it. There is
    one effect for each m; where they differ, treatment and mediators interact.

    **Assumes** that among units alike in the covariates nothing else causes treatment and outcome, or mediators and
    outcome, and that no covariate is an effect of the treatment (probe: draw the graph,
    `identify_controlled_direct_effect`); overlap of all combinations (probe: the floor diagnostic); and nuisance models
    whose errors multiply to less than 1/√n.

    Args:
        outcome_model: E[Y | T, M, X], one model for each combination; default: mix of penalised linear model and
            early-stopped boosting.
        propensity_model: P(T, M | X); default: the same mix for classes, calibrated.
        folds: cross-fitting folds.
        floor: chances are never taken below this; how many were is a diagnostic.
        most_values: most combinations of values of the mediators.

    Raises:
        MethodMismatch: for a strategy that does not adjust for treatment and mediators together, an amount, an estimand
            other than the ATE, or subgroups by a column that is no covariate.
        InvalidSetting: for mediators with more combinations of values than `most_values`.
        EmptyArm: for a combination that an arm does not have.

    References:
        Robins and Greenland 1992 (doi:10.1097/00001648-199203000-00013); Pearl 2001 (arXiv:1301.2300); VanderWeele 2009
        (doi:10.1097/EDE.0b013e31818f69ce).

    >>> import butfor as bf, numpy as np
    >>> from butfor.estimators.mediation.controlled import ControlledDirect
    >>> rng = np.random.default_rng(1)
    >>> t, m = rng.integers(0, 2, (2, 400))
    >>> frame = {"t": t, "m": m, "y": 1.0 * t + m + 2.0 * t * m}
    >>> simple = ControlledDirect(outcome_model=bf.LinearModel(), propensity_model=bf.LogisticModel())
    >>> found = simple.fit(frame, treatment="t", outcome="y", mediators=["m"]).result
    >>> found.labels, found.value.round(6).tolist()
    (('t: 1 - 0, m = 0', 't: 1 - 0, m = 1'), [1.0, 3.0])
    """

    outcome_model: Learner | None = None
    propensity_model: Learner | None = None
    folds: int = 5
    floor: float = 0.01
    most_values: int = 12

    name: ClassVar[str] = "controlled_direct_effect"
    title: ClassVar[str] = "Controlled direct effect"
    treatments: ClassVar[tuple[TreatmentKind, ...]] = ("binary", "arms")
    strategies: ClassVar[tuple[str, ...]] = ("mediation",)

    def __post_init__(self) -> None:
        if not 0.0 < self.floor < 0.5 or self.folds < 2 or self.most_values < 1:
            raise InvalidSetting(
                f"floor is {self.floor}, folds {self.folds}, most_values {self.most_values}; {self.title} needs "
                "0 < floor < 0.5, at least 2 folds and 1 value.",
                hint="floor=0.01, folds=5, most_values=12",
            )

    @property
    def learners(self) -> tuple[Learner | None, ...]:
        """The models of outcome and of treatment and mediators."""
        return (self.outcome_model, self.propensity_model)

    def accepts(self, strategy: Strategy) -> bool:
        """Does the strategy adjust for treatment and mediators together?"""
        return has_formula(strategy, "controlled")

    def covariates(self, strategy: Strategy) -> tuple[str, ...]:
        """What is adjusted for, and the mediators."""
        return (*strategy.adjust_for, *mediators_of(strategy, self.title, "controlled"))

    def on_your_word(self, question: Question, roles: Roles) -> MediationStrategy:
        """Adjustment of treatment and mediators for the named covariates."""
        roles.only(self.title, "covariates", "mediators")
        return declared_mediation(
            question.treatment, question.outcome, roles.mediators, roles.covariates, effects="controlled"
        )

    def fit_sample(
        self,
        sample: Sample,
        question: Question,
        strategy: Strategy,
        *,
        rng: Seed = 0,
        cache: NuisanceCache | None = None,
    ) -> Fit:
        """Fit on a clean sample; `rng` decides the folds."""
        mediators = mediators_of(strategy, self.title, "controlled")
        self.check(sample, strategy)
        refuse_other_questions(self.title, sample, question, strategy, mediators)
        seed = rng if isinstance(rng, int) else seed_of(rng)
        held = Held.of(sample, mediators, self.most_values)
        folds = sample_folds(held.sample, self.folds, seed, cache)
        outcome = cross_fit_outcome_by_arm(
            held.sample, self.outcome_model or default_outcome_model(), folds, seed, cache
        )
        propensity = cross_fit_propensity(
            held.sample, self.propensity_model or default_propensity_model(), folds, seed, cache
        )
        floored, notes = lift(propensity.values, self.floor)
        scores = doubly_robust_scores(held.sample, outcome.values, floored)
        tops = [scores[:, a] - scores[:, b] for a, b in held.pairs]
        labels, value, influence = ratio_effects(sample, tops, [np.ones(sample.n)] * len(tops), terms=held.terms)
        estimate = Estimate(
            labels=labels,
            value=value,
            influence=influence,
            estimand=CDE(),
            **describe(self, sample, strategy, seed),
        )
        words = (
            f"outcome given treatment, mediators and covariates: {outcome.words}",
            f"treatment and mediators given covariates: {propensity.words}",
        )
        return replace(Fit(self, sample, question, strategy, estimate).with_diagnostics(*notes), nuisance_summary=words)
