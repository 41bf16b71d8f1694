"""Targeted maximum likelihood with cross-fitting: predictions are moved until averaging them is doubly robust."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import InvalidSetting, MethodMismatch, NumericalFailure
from butfor.core.rng import Seed, seed_of
from butfor.core.table import format_number
from butfor.data.sample import Sample, TreatmentKind
from butfor.estimators.base import Estimator, Fit
from butfor.estimators.orthogonal.aipw import cross_fit_arms, solve_scores
from butfor.estimators.orthogonal.repetition import over_repetitions
from butfor.estimators.orthogonal.settings import check_floor, check_splitting
from butfor.identify.strategies import Strategy
from butfor.nuisance.cache import NuisanceCache
from butfor.nuisance.learner import Learner
from butfor.question import Estimand, Question

FloatArray = NDArray[np.float64]

# Predicted shares of the outcome's range stay this far from 0 and 1, where a logit has no slope.
EDGE = 5e-4
STEPS = 200
# Limits wider than this multiple of the data's range would cost more digits than there are to spare.
WIDEST = 1e6


@dataclass(frozen=True, kw_only=True)
class TMLE(Estimator):
    """Move the outcome model until its plain average needs no correction; either of two models may be wrong.

    **Answers** what the treatment would do on average for the population of the estimand, as `AIPW` does, but with
    predictions that never leave the range of the outcome: an answer about a probability is between −1 and 1.

    **Estimates** E[h(X) τ(X)] / E[h(X)] (ATE, ATT, ATC, ATO) by averaging Q*_a(X) − Q*_b(X), where each arm's model is
    moved on the logit scale of the outcome's range by one number ε_a,

        logit Q*_a = logit Q_a + ε_a,   Σ_i 1{T_i = a} h(X_i)/e_a(X_i) (Y_i − Q*_a(X_i)) = 0,

    so that the efficient score of `AIPW` averages to zero at the plain average. Predictions are out of fold and ε is
    common to all folds (cross-validated TMLE).

    **Assumes** no unmeasured confounding (probe: omitted-variable bounds, negative controls), overlap (probe: the
    propensity plot, effective sample size), and nuisance models whose errors multiply to less than 1/√n. Effects of
    subgroups are not targeted one by one: they take the correction of `AIPW` around the moved predictions.

    Args:
        outcome_model: E[Y | T, X]; a Butfor learner, a scikit-learn regressor or `OutOfFold(predictions)`.
            Default: cross-validated mix of penalised linear model and early-stopped boosting.
        propensity_model: P(T | X); likewise. Default: the same mix for classes, calibrated.
        least, greatest: smallest and largest value that the outcome can take. Default: those in the data.
        folds: cross-fitting folds.
        floor: propensities are never taken below this; how many were is a diagnostic.
        repetitions: how many ways to split the rows into folds; the answer is the median over them.

    Raises:
        MethodMismatch: for the treated (or controls, or a trimmed population) of several comparisons at once.
        InvalidSetting: for limits that the data exceed.
        NumericalFailure: when all outcomes of an arm are at the same limit.

    References:
        van der Laan and Rubin 2006 (doi:10.2202/1557-4679.1043); Gruber and van der Laan 2010
        (doi:10.2202/1557-4679.1260) for bounded outcomes; Zheng and van der Laan 2011
        (doi:10.1007/978-1-4419-9782-1_27) for cross-validation.

    >>> import butfor as bf, numpy as np
    >>> rng = np.random.default_rng(1)
    >>> x = rng.normal(size=2000)
    >>> t = (x + rng.normal(size=2000) > 0).astype(int)
    >>> y = (rng.random(2000) < 0.2 + 0.5 * t).astype(int)
    >>> linear = bf.TMLE(outcome_model=bf.LinearModel(), propensity_model=bf.LogisticModel())
    >>> fit = linear.fit({"t": t, "x": x, "y": y}, treatment="t", outcome="y", covariates=["x"])
    >>> bool(abs(fit.estimate().value[0] - 0.5) < 3 * fit.estimate().std_error[0])
    True
    """

    outcome_model: Learner | None = None
    propensity_model: Learner | None = None
    least: float | None = None
    greatest: float | None = None
    folds: int = 5
    floor: float = 0.01
    repetitions: int = 1

    name: ClassVar[str] = "tmle"
    title: ClassVar[str] = "TMLE"
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
        limits = _limits(sample, self.least, self.greatest)
        seed = rng if isinstance(rng, int) else seed_of(rng)

        def once(split: int) -> Fit:
            arms = cross_fit_arms(sample, self.learners, (self.folds, self.floor), split, cache)
            tilt = _common_tilt(sample, question.estimand, arms.propensity)
            outcomes = targeted_outcomes(sample, arms.outcomes, tilt[:, None] / arms.propensity, limits)
            fit = solve_scores(self, sample, question, strategy, (outcomes, arms.propensity), split)
            return replace(fit.with_diagnostics(*arms.diagnostics), nuisance_summary=arms.words)

        return over_repetitions(self.repetitions, seed, once)


def targeted_outcomes(
    sample: Sample, outcomes: FloatArray, weights: FloatArray, limits: tuple[float, float]
) -> FloatArray:
    """Q* (rows × arms): each arm's predictions moved by one ε on the logit scale, until its weighted residuals vanish.

    Args:
        outcomes: Q (rows × arms).
        weights: h(X) / e_a(X) (rows × arms).
        limits: range of the outcome.
    """
    low, high = limits
    width = high - low
    share = np.clip((outcomes - low) / width, EDGE, 1.0 - EDGE)
    index = np.log(share) - np.log1p(-share)
    target = (sample.outcome - low) / width
    base = np.ones(sample.n) if sample.weights is None else sample.weights
    moved = np.empty_like(outcomes)
    for arm in range(outcomes.shape[1]):
        own = (sample.treatment.codes == arm) & (weights[:, arm] > 0.0)
        if own.any():
            epsilon = _fluctuation(index[own, arm], target[own], (base * weights[:, arm])[own])
            moved[:, arm] = low + width * _expit(index[:, arm] + epsilon)
        else:
            moved[:, arm] = low + width * share[:, arm]
    return moved


def _fluctuation(index: FloatArray, target: FloatArray, weights: FloatArray) -> float:
    """ε with Σ v (y − expit(l + ε)) = 0: Newton's method kept inside a bracket, since the sum falls in ε.

    Raises:
        NumericalFailure: when all outcomes are at the same limit, where there is no such ε.
    """
    weights = weights / weights.sum()
    goal = float(weights @ target)
    if not 0.0 < goal < 1.0:
        raise NumericalFailure(
            "All outcomes of an arm are at the same limit of the outcome; targeting needs outcomes that differ.",
            hint="AIPW(), or give wider limits with least= and greatest= if there are such",
        )
    centre = float(np.log(goal) - np.log1p(-goal))
    low, high = centre - float(index.max()), centre - float(index.min())
    epsilon = 0.5 * (low + high)
    for _ in range(STEPS):
        mean = _expit(index + epsilon)
        gap = goal - float(weights @ mean)
        low, high = (epsilon, high) if gap > 0.0 else (low, epsilon)
        step = gap / max(float(weights @ (mean * (1.0 - mean))), 1e-300)
        previous, epsilon = epsilon, epsilon + step
        if not low <= epsilon <= high:
            epsilon = 0.5 * (low + high)
        if abs(epsilon - previous) <= 1e-15 * max(1.0, abs(epsilon)):
            break
    return epsilon


def _expit(index: FloatArray) -> FloatArray:
    return 1.0 / (1.0 + np.exp(-np.clip(index, -700.0, 700.0)))


def _common_tilt(sample: Sample, estimand: Estimand, propensity: FloatArray) -> FloatArray:
    """h (rows) of the population that all comparisons are about."""
    tilts = [estimand.tilt(propensity, *pair)[0] for pair in sample.treatment.contrasts]
    if not all(np.array_equal(h, tilts[0]) for h in tilts):
        raise MethodMismatch(
            f"Each comparison has its own population under the {estimand.label}; TMLE moves predictions for one.",
            hint="contrast=(treated, reference), or AIPW()",
        )
    return tilts[0]


def _limits(sample: Sample, least: float | None, greatest: float | None) -> tuple[float, float]:
    low, high = float(sample.outcome.min()), float(sample.outcome.max())
    bottom, top = low if least is None else least, high if greatest is None else greatest
    if not (np.isfinite(bottom) and np.isfinite(top) and bottom <= low and top >= high):
        raise InvalidSetting(
            f"least is {bottom:g} and greatest {top:g}; TMLE needs limits that hold all outcomes, which go from "
            f"{format_number(low)} to {format_number(high)}.",
            hint=f"least={min(bottom, low):g}, greatest={max(top, high):g}, or leave them out",
        )
    if top - bottom > WIDEST * (high - low):
        raise InvalidSetting(
            f"least is {bottom:g} and greatest {top:g}; outcomes between {format_number(low)} and "
            f"{format_number(high)} are lost in limits as wide as these, which TMLE needs to be near.",
            hint="leave least and greatest out",
        )
    return bottom, top
