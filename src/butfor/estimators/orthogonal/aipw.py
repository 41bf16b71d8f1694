"""Augmented inverse probability weighting with cross-fitting (doubly robust; the interactive model of DML)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from butfor.core.diagnostic import Diagnostic
from butfor.core.rng import Seed, seed_of
from butfor.data.sample import Sample, TreatmentKind
from butfor.estimators.base import Estimator, Fit, describe
from butfor.estimators.orthogonal.repetition import over_repetitions
from butfor.estimators.orthogonal.settings import check_floor, check_splitting
from butfor.identify.strategies import Strategy
from butfor.inference.doubly_robust import doubly_robust_scores, tilted_effects
from butfor.inference.estimate import Estimate
from butfor.nuisance.cache import NuisanceCache
from butfor.nuisance.crossfit import cross_fit_outcome_by_arm, cross_fit_propensity
from butfor.nuisance.defaults import default_outcome_model, default_propensity_model
from butfor.nuisance.folds import sample_folds
from butfor.nuisance.learner import Learner
from butfor.nuisance.overlap import lift
from butfor.question import Question

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class AIPW(Estimator):
    """Combine a model of the outcome with a model of the treatment; either may be wrong.

    **Answers** what the treatment would do on average for the population of the estimand, with flexible machine
    learning for everything that is not the effect itself, and an honest interval.

    **Estimates** E[h(X) τ(X)] / E[h(X)] (ATE, ATT, ATC, ATO, trimmed or not, any number of arms) by solving the
    efficient score, with Γ_a = μ_a(X) + 1{T = a}(Y − μ_a(X)) / e_a(X):

        ψ = h (Γ_a − Γ_b − θ) + Σ_l ∂h/∂e_l (1{T = l} − e_l)(μ_a − μ_b − θ).

    **Assumes** no unmeasured confounding (probe: omitted-variable bounds, negative controls), overlap (probe: the
    propensity plot, effective sample size), and nuisance models whose errors multiply to less than 1/√n.

    Args:
        outcome_model: E[Y | T, X]; a Butfor learner, a scikit-learn regressor or `OutOfFold(predictions)`.
            Default: cross-validated mix of penalised linear model and early-stopped boosting.
        propensity_model: P(T | X); likewise. Default: the same mix for classes, calibrated.
        folds: cross-fitting folds.
        floor: propensities are never taken below this; how many were is a diagnostic.
        repetitions: how many ways to split the rows into folds; the answer is the median over them.

    References:
        Robins, Rotnitzky and Zhao 1994 (doi:10.1080/01621459.1994.10476818); Chernozhukov et al. 2018
        (doi:10.1111/ectj.12097); Crump et al. 2009 (doi:10.1093/biomet/asn055) for weighted effects.

    >>> import butfor as bf, numpy as np
    >>> rng = np.random.default_rng(1)
    >>> x = rng.normal(size=400)
    >>> t = (x + rng.normal(size=400) > 0).astype(int)
    >>> linear = bf.AIPW(outcome_model=bf.LinearModel(), propensity_model=bf.LogisticModel())
    >>> fit = linear.fit({"t": t, "x": x, "y": 2 * t + x}, treatment="t", outcome="y", covariates=["x"])
    >>> round(float(fit.estimate().value[0]), 6)
    2.0
    """

    outcome_model: Learner | None = None
    propensity_model: Learner | None = None
    folds: int = 5
    floor: float = 0.01
    repetitions: int = 1

    name: ClassVar[str] = "aipw"
    title: ClassVar[str] = "AIPW"
    treatments: ClassVar[tuple[TreatmentKind, ...]] = ("binary", "arms")

    def __post_init__(self) -> None:
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
    ) -> Fit:
        """Fit on a clean sample; `rng` decides the folds."""
        self.check(sample, strategy)
        seed = rng if isinstance(rng, int) else seed_of(rng)
        return over_repetitions(self.repetitions, seed, lambda s: self._fit_once(sample, question, strategy, s, cache))

    def _fit_once(
        self, sample: Sample, question: Question, strategy: Strategy, seed: int, cache: NuisanceCache | None
    ) -> Fit:
        arms = cross_fit_arms(sample, self.learners, (self.folds, self.floor), seed, cache)
        fit = solve_scores(self, sample, question, strategy, (arms.outcomes, arms.propensity), seed)
        return replace(fit.with_diagnostics(*arms.diagnostics), nuisance_summary=arms.words)


@dataclass(frozen=True, eq=False)
class ArmNuisances:
    """E[Y | arm, X] and P(arm | X), both rows × arms and out of fold, the latter above a floor."""

    outcomes: FloatArray
    propensity: FloatArray
    diagnostics: tuple[Diagnostic, ...]
    words: tuple[str, ...]


def cross_fit_arms(
    sample: Sample,
    models: tuple[Learner | None, ...],
    splitting: tuple[int, float],
    seed: int,
    cache: NuisanceCache | None,
) -> ArmNuisances:
    """The nuisances of the interactive model.

    Args:
        models: of outcome and treatment; None stands for the default.
        splitting: how many folds, and the floor of propensities.
    """
    outcome_model, propensity_model = models
    folds = sample_folds(sample, splitting[0], seed, cache)
    outcome = cross_fit_outcome_by_arm(sample, outcome_model or default_outcome_model(), folds, seed, cache)
    propensity = cross_fit_propensity(sample, propensity_model or default_propensity_model(), folds, seed, cache)
    floored, diagnostics = lift(propensity.values, splitting[1])
    words = (
        f"outcome given treatment and covariates: {outcome.words}",
        f"treatment given covariates: {propensity.words}",
    )
    return ArmNuisances(outcome.values, floored, diagnostics, words)


def solve_scores(
    estimator: Estimator,
    sample: Sample,
    question: Question,
    strategy: Strategy,
    nuisances: tuple[FloatArray, FloatArray],
    seed: int,
) -> Fit:
    """The fit that the efficient score makes of outcomes and propensities (rows × arms each)."""
    outcomes, propensity = nuisances
    scores = doubly_robust_scores(sample, outcomes, propensity)
    labels, value, influence = tilted_effects(sample, question.estimand, scores, outcomes, propensity)
    residual = sample.outcome - outcomes[np.arange(sample.n), sample.treatment.codes]
    estimate = Estimate(
        labels=labels,
        value=value,
        influence=influence,
        estimand=question.estimand,
        **describe(estimator, sample, strategy, seed),
    )
    return Fit(
        estimator,
        sample,
        question,
        strategy,
        estimate,
        propensity=propensity,
        outcomes=outcomes,
        scores=scores,
        residual=np.repeat(residual[:, None], len(sample.treatment.contrasts), axis=1),
    )
