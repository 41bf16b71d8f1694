"""Effects on times to an event when some units leave sight before it comes: one-step, doubly robust."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from butfor.core.rng import Seed, seed_of
from butfor.data.sample import Sample, TreatmentKind
from butfor.estimators.base import Estimator, Fit, describe
from butfor.estimators.orthogonal.encouragement import ArmChances
from butfor.estimators.orthogonal.quantiles import arm_chances
from butfor.estimators.orthogonal.repetition import over_repetitions
from butfor.estimators.orthogonal.residuals import Split, unit_weights
from butfor.estimators.orthogonal.settings import check_floor, check_splitting
from butfor.identify.strategies import Strategy
from butfor.inference.doubly_robust import doubly_robust_scores, tilted_scores
from butfor.inference.estimate import Estimate
from butfor.inference.potential_means import potential_means
from butfor.inference.ratio import ratio_effects
from butfor.nuisance.cache import NuisanceCache
from butfor.nuisance.censored import Completed
from butfor.nuisance.completion import INDEPENDENT_CENSORING, Completion, check_times
from butfor.nuisance.folds import Folds
from butfor.nuisance.learner import Learner
from butfor.question import Question

FloatArray = NDArray[np.float64]

NO_FOLDS = Folds(np.zeros(0, dtype=np.int32), 1)


@dataclass(frozen=True, eq=False)
class SurvivalFit(Fit):
    """Effects on times, with the curves that they are differences of.

    Scores, expected outcomes and residuals are those of the first quantity.

    Attributes:
        quantities: what was asked of the curves, in words.
        completed: outcomes as if nobody had left sight (rows × quantities).
        means: expected outcomes (rows × quantities × arms).
    """

    quantities: tuple[str, ...] = ()
    completed: FloatArray | None = None
    means: FloatArray | None = None

    def curves(self) -> Estimate:
        """Survival at each time, and the restricted mean, if everyone had each arm: all arms and times together.

        Raises:
            MethodMismatch: when the comparisons are about different populations.
        """
        assert self.completed is not None
        assert self.means is not None
        assert self.propensity is not None
        found: list[Estimate] = []
        for k, name in enumerate(self.quantities):
            outcomes = self.means[:, k]
            scores = doubly_robust_scores(_known(self.sample, self.completed[:, k]), outcomes, self.propensity)
            part = potential_means(self.result, self.sample, scores, outcomes, self.propensity)
            found.append(replace(part, labels=_named(part.labels, name)))
        return replace(
            found[0],
            labels=tuple(label for part in found for label in part.labels),
            value=np.concatenate([part.value for part in found]),
            influence=np.hstack([part.influence for part in found if part.influence is not None]),
        )


@dataclass(frozen=True, kw_only=True)
class SurvivalEffect(Estimator):
    """Compare how long it takes until an event, though some units leave sight before it comes.

    **Answers** how many more units would still be without the event at certain times if everyone were treated, and how
    much longer they would be without it on average, up to a horizon.

    **Estimates** P(T(a) > t) − P(T(b) > t) at each time t, and E[min(T(a), h)] − E[min(T(b), h)] (restricted mean, the
    area between the curves), for everyone or for the population of the estimand, by averaging

        μ_a(X) + 1{A = a} / e_a(X) (Y* − μ_a(X)),   Y* = μ_A(X) − Σ_{t_k ≤ U} Q_k / G_k (dN_k − λ_k),

    where Y* completes what was seen with the hazards λ of the event and the chance G to be still in sight. Without
    covariates these are Kaplan and Meier's curves, with Greenwood's standard errors.

    **Assumes** no unmeasured confounding (probe: a placebo treatment), that units who leave sight have the same
    future as those alike who stay (probe: why they left), a chance of every arm and of staying in sight for all (probe:
    the propensity plot, a diagnostic), and that hazards of the event, or both chances, are well modelled: their errors
    need to multiply to less than 1/√n.

    Args:
        times: t, in the order of the answers.
        horizon: h of the restricted mean, which comes first. Default: without times, the last time to which a tenth of
            every arm was in sight; with times, no restricted mean.
        survival_model: of the event in an interval of time, given arm, covariates and no event before; a classifier.
            Default: cross-validated mix of penalised logit and early-stopped boosting.
        censoring_model: of leaving sight, likewise.
        propensity_model: P(A | X); a classifier.
        intervals: into how many intervals of time the models of hazards cut the way to the last time, at most.
        folds: cross-fitting folds.
        floor: propensities, and chances to be in sight, are never taken below this; how many were is a diagnostic.
        repetitions: how many ways to split the rows into folds; the answer is the median over them.

    Raises:
        MethodMismatch: for a question without an event, or an amount.
        InvalidSetting: for times that are not positive, or beyond the last row of an arm.

    References:
        Westling, Luedtke, Gilbert and Carone 2023 (doi:10.1080/01621459.2023.2205060); Moore and van der Laan 2009
        (doi:10.2202/1557-4679.1115); Rubin and van der Laan 2007 (doi:10.2202/1557-4679.1052).

    >>> import butfor as bf
    >>> trial = {"new": [0, 0, 0, 0, 1, 1, 1, 1], "week": [2, 4, 6, 8, 3, 7, 9, 9], "died": [1, 1, 0, 1, 1, 0, 0, 0]}
    >>> fit = bf.SurvivalEffect(times=(5,)).fit(trial, treatment="new", outcome="week", event="died")
    >>> float(fit.result.value[0])
    0.25
    """

    times: tuple[float, ...] = ()
    horizon: float | None = None
    survival_model: Learner | None = None
    censoring_model: Learner | None = None
    propensity_model: Learner | None = None
    intervals: int = 20
    folds: int = 5
    floor: float = 0.01
    repetitions: int = 1

    name: ClassVar[str] = "survival_effect"
    title: ClassVar[str] = "Survival effect"
    treatments: ClassVar[tuple[TreatmentKind, ...]] = ("binary", "arms")
    uses_event: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "times", tuple(float(t) for t in np.atleast_1d(self.times)))
        check_times(self.times, self.horizon, self.intervals, self.title)
        check_floor(self.floor, self.title)
        check_splitting(self.folds, self.repetitions)

    @property
    def learners(self) -> tuple[Learner | None, ...]:
        """The models of event, loss of sight and treatment."""
        return (self.survival_model, self.censoring_model, self.propensity_model)

    def fit_sample(
        self,
        sample: Sample,
        question: Question,
        strategy: Strategy,
        *,
        rng: Seed = 0,
        cache: NuisanceCache | None = None,
    ) -> SurvivalFit:
        """Fit on a clean sample; `rng` decides the folds."""
        self.check(sample, strategy)
        seed = rng if isinstance(rng, int) else seed_of(rng)
        return over_repetitions(
            self.repetitions,
            seed,
            lambda s: self._fit_once(sample, question, strategy, s, cache),
        )

    def _fit_once(
        self, sample: Sample, question: Question, strategy: Strategy, seed: int, cache: NuisanceCache | None
    ) -> SurvivalFit:
        if sample.covariates.matrix.shape[1] > 0:
            split = Split.of(sample, self.folds, seed, cache)
            chances = arm_chances(sample, self.propensity_model, self.floor, split)
        else:
            # Shares learn nothing that could be learned by heart.
            split = Split(NO_FOLDS, seed, cache)
            chances = ArmChances(np.tile(_shares(sample), (sample.n, 1)), (), "share of each arm")
        completion = Completion(
            self.survival_model, self.censoring_model, self.intervals, self.floor, split.folds, seed, cache
        )
        answers = completion.answers(sample, self.times, self.horizon)
        fit = _effects(self, (sample, question, strategy, seed), answers.completed, chances.values, answers.names)
        told = replace(fit, nuisance_summary=(*answers.words, f"treatment given covariates: {chances.words}"))
        noted = told.with_diagnostics(*chances.diagnostics, *answers.notes)
        assert isinstance(noted, SurvivalFit)
        return noted


def _shares(sample: Sample) -> FloatArray:
    weights = unit_weights(sample)
    return np.bincount(sample.treatment.codes, weights=weights, minlength=sample.treatment.arms) / weights.sum()


def _known(sample: Sample, outcome: FloatArray) -> Sample:
    return sample.with_outcome(sample.outcome_name, outcome)


def _named(labels: Iterable[str], name: str) -> tuple[str, ...]:
    """Labels with what they are about, before any subgroup."""
    parts = [label.partition(" | ") for label in labels]
    return tuple(f"{term}, {name}{bar}{group}" for term, bar, group in parts)


def _effects(
    estimator: SurvivalEffect,
    at: tuple[Sample, Question, Strategy, int],
    found: Completed,
    propensity: FloatArray,
    names: tuple[str, ...],
) -> SurvivalFit:
    """The differences that the question asks for: all quantities for everyone, then for each subgroup."""
    sample, question, strategy, seed = at
    terms: list[str] = []
    tops: list[FloatArray] = []
    bottoms: list[FloatArray] = []
    all_scores: list[FloatArray] = []
    for k, name in enumerate(names):
        outcomes = found.means[:, k]
        scores = doubly_robust_scores(_known(sample, found.values[:, k]), outcomes, propensity)
        parts = tilted_scores(sample, question.estimand, scores, outcomes, propensity)
        terms += _named(parts.terms, name)
        tops += parts.numerators
        bottoms += parts.denominators
        all_scores.append(scores)
    labels, value, influence = ratio_effects(sample, tops, bottoms, terms=terms)
    common = describe(estimator, sample, strategy, seed)
    common["assumptions"] = (*common["assumptions"], INDEPENDENT_CENSORING)
    residual = found.values[:, 0] - found.means[np.arange(sample.n), 0, sample.treatment.codes]
    return SurvivalFit(
        estimator,
        sample,
        question,
        strategy,
        Estimate(labels=labels, value=value, influence=influence, estimand=question.estimand, **common),
        propensity=propensity,
        outcomes=found.means[:, 0],
        scores=all_scores[0],
        residual=np.repeat(residual[:, None], len(sample.treatment.contrasts), axis=1),
        quantities=names,
        completed=found.values,
        means=found.means,
    )
