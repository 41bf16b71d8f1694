"""Quantiles of potential outcomes by doubly robust scores: the common ground of quantile and tail effects."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from butfor.core.diagnostic import Diagnostic, Severity
from butfor.core.errors import InvalidSetting, MethodMismatch, NumericalFailure
from butfor.data.sample import Sample
from butfor.estimators.base import Estimator, Fit, describe
from butfor.estimators.orthogonal.encouragement import ArmChances
from butfor.estimators.orthogonal.residuals import Split, unit_weights
from butfor.identify.strategies import Strategy
from butfor.inference.doubly_robust import doubly_robust_scores
from butfor.inference.estimate import Estimate
from butfor.nuisance.cache import frozen
from butfor.nuisance.crossfit import cross_fit_outcome_by_arm, cross_fit_propensity
from butfor.nuisance.defaults import default_outcome_model, default_propensity_model
from butfor.nuisance.learner import Learner
from butfor.nuisance.overlap import lift
from butfor.question import Estimand, Question

FloatArray = NDArray[np.float64]

# A value that more than this share of an arm has is no point of a density.
HEAPED = 0.05
# Rounding of sums of weights must not decide which value a quantile is.
SLACK = 1e-10


def check_quantiles(quantiles: tuple[float, ...]) -> None:
    """Quantiles strictly between 0 and 1, at least one."""
    if not quantiles or not all(0.0 < q < 1.0 for q in quantiles):
        raise InvalidSetting(
            f"quantiles is {quantiles}; an effect on quantiles needs numbers between 0 and 1.", hint="quantiles=(0.5,)"
        )


def refuse_others(question: Question, title: str, estimands: tuple[Estimand, ...]) -> None:
    """Quantiles are those of one population: no other one, no subgroups."""
    fits = question.estimand in estimands
    if not fits or question.modifiers:
        asked = f"subgroups by {question.modifiers[0]!r}" if fits else f"the {question.estimand.label}"
        raise MethodMismatch(
            f"The question asks for {asked}; {title} needs a question about all whom it can answer for.",
            hint="estimand=ATE() without modifiers, or the same method on the rows of a subgroup",
        )


@dataclass(frozen=True, eq=False)
class ArmFit(Fit):
    """Effects with what they are differences of.

    Attributes:
        arms: the quantile, or the mean above it, if everyone had each arm.
    """

    arms: Estimate | None = None


def arm_chances(sample: Sample, model: Learner | None, floor: float, split: Split) -> ArmChances:
    """The propensities of all arms."""
    found = cross_fit_propensity(sample, model or default_propensity_model(), split.folds, split.seed, split.cache)
    lifted, notes = lift(found.values, floor)
    return ArmChances(lifted, notes, found.words)


@dataclass(frozen=True, eq=False)
class ArmValues:
    """A number of each arm's potential outcome.

    Attributes:
        name: what it is.
        values: one per arm.
        influence: rows × arms, averaging to zero.
        words: the model of the outcome.
        heaped: largest share of an arm's rows that have exactly the value found, where that matters.
    """

    name: str
    values: FloatArray
    influence: FloatArray
    words: str
    heaped: float = 0.0


def weighted_by_arm(sample: Sample, chances: FloatArray, quantile: float) -> FloatArray:
    """Quantiles of each arm's rows, weighted by w / P(arm | X): right when the propensities are."""
    weights = unit_weights(sample)[:, None] / chances
    found: list[float] = []
    for arm in range(chances.shape[1]):
        own = sample.treatment.codes == arm
        found.append(crossing(sample.outcome[own], weights[own, arm], quantile * float(weights[own, arm].sum())))
    return np.array(found)


def potential_quantiles(
    sample: Sample, chances: FloatArray, quantile: float, model: Learner | None, split: Split
) -> ArmValues:
    """Solve E[1{T = a}(1{Y ≤ θ} − g_a(X)) / P(a | X) + g_a(X)] = q for each arm, with g_a(x) = P(Y ≤ θ̃_a | a, x).

    θ̃ is the weighted quantile: near enough, since the score is orthogonal (localised debiasing, Kallus, Mao and Uehara
    2024). It is one number per arm from all rows. At most n sets of labels 1{Y ≤ θ̃} exist, so that its part in the
    models of a fold costs a factor √log n of what is negligible.
    """
    codes, weights = sample.treatment.codes, unit_weights(sample)
    nearby = weighted_by_arm(sample, chances, quantile)
    below = sample.with_outcome(sample.outcome_name, frozen((sample.outcome <= nearby[codes]).astype(np.float64)))
    found = cross_fit_outcome_by_arm(below, model or default_outcome_model(), split.folds, split.seed, split.cache)
    values, influence, heaped = [], [], 0.0
    for arm in range(chances.shape[1]):
        own = codes == arm
        inverse = own / chances[:, arm]
        known = float(np.sum(weights * (1.0 - inverse) * found.values[:, arm]))
        outcome, mass = sample.outcome[own], (weights * inverse)[own]
        theta = crossing(outcome, mass, quantile * float(weights.sum()) - known)
        score = inverse * ((sample.outcome <= theta) - found.values[:, arm]) + found.values[:, arm]
        score -= np.average(score, weights=weights)
        values.append(theta)
        influence.append(-weights * score / density(outcome, mass, theta))
        heaped = max(heaped, float(mass[outcome == theta].sum() / mass.sum()))
    name = f"quantile {quantile:g}"
    return ArmValues(name, np.array(values), np.column_stack(influence), found.words, heaped)


def tail_means(sample: Sample, chances: FloatArray, quantile: float, model: Learner | None, split: Split) -> ArmValues:
    """E[u_a(Y(a))] of each arm with u_a = θ_a + max(Y − θ_a, 0)/(1 − q), θ_a the weighted quantile.

    θ_a minimises the mean (Rockafellar and Uryasev 2000), hence its error has no first-order part.
    """
    nearby = weighted_by_arm(sample, chances, quantile)[sample.treatment.codes]
    beyond = frozen(nearby + np.maximum(sample.outcome - nearby, 0.0) / (1.0 - quantile))
    tail = sample.with_outcome(sample.outcome_name, beyond)
    found = cross_fit_outcome_by_arm(tail, model or default_outcome_model(), split.folds, split.seed, split.cache)
    scores, weights = doubly_robust_scores(tail, found.values, chances), unit_weights(sample)
    values = weights @ scores / sample.n
    name = f"mean above quantile {quantile:g}"
    return ArmValues(name, values, weights[:, None] * (scores - values), found.words)


def arm_fit(
    estimator: Estimator,
    at: tuple[Sample, Question, Strategy, Split],
    chances: ArmChances,
    found: list[ArmValues],
    estimand: Estimand,
) -> ArmFit:
    """The differences between arms that the question asks for, for one quantile after the other."""
    sample, question, strategy, split = at
    common, treatment = describe(estimator, sample, strategy, split.seed), sample.treatment
    contrast = np.zeros((len(treatment.contrasts), treatment.arms))
    for row, (treated, reference) in enumerate(treatment.contrasts):
        contrast[row, treated], contrast[row, reference] = 1.0, -1.0
    heaped = heaping_note(sample.outcome_name, max(part.heaped for part in found))
    result = Estimate(
        labels=tuple(f"{term}, {part.name}" for part in found for term in treatment.terms),
        value=np.concatenate([contrast @ part.values for part in found]),
        influence=np.hstack([part.influence @ contrast.T for part in found]),
        estimand=estimand,
        **common,
    )
    arms = Estimate(
        labels=tuple(f"{treatment.name} = {level}, {part.name}" for part in found for level in treatment.levels),
        value=np.concatenate([part.values for part in found]),
        influence=np.hstack([part.influence for part in found]),
        **common,
    )
    return ArmFit(
        estimator,
        sample,
        question,
        strategy,
        replace(result, diagnostics=(*result.diagnostics, *chances.diagnostics, *heaped)),
        propensity=chances.values,
        nuisance_summary=(
            *(f"outcome for {part.name}, given arm and covariates: {part.words}" for part in found),
            f"treatment given covariates: {chances.words}",
        ),
        arms=arms,
    )


def crossing(values: FloatArray, weights: FloatArray, level: float) -> float:
    """The smallest value up to which the weights sum to the level. Some weights may be negative: once reached counts.

    >>> crossing(np.array([3.0, 1.0, 2.0]), np.ones(3), 1.5)
    2.0
    """
    order = np.argsort(values, kind="stable")
    total = np.maximum.accumulate(np.cumsum(weights[order]))
    place = int(np.searchsorted(total, level - SLACK * total[-1]))
    return float(values[order][min(place, len(values) - 1)])


def density(values: FloatArray, weights: FloatArray, point: float) -> float:
    """Density at a point: a Gaussian kernel of Silverman's width. Copies of a row are one row with a weight.

    Raises:
        NumericalFailure: where the values do not vary, or none is near the point.
    """
    share, size = weights / weights.sum(), np.abs(weights) / np.abs(weights).sum()
    spread = float(np.sqrt(size @ (values - size @ values) ** 2))
    middle = crossing(values, size, 0.75) - crossing(values, size, 0.25)
    scale = min(spread, middle / 1.349) if middle > 0.0 else spread
    width = 0.9 * scale * len(np.unique(values)) ** -0.2
    found = 0.0
    if width > 0.0:
        found = float(share @ np.exp(-0.5 * ((point - values) / width) ** 2)) / (width * float(np.sqrt(2.0 * np.pi)))
    if not found > 0.0:
        raise NumericalFailure(
            "An arm's outcomes do not vary where its quantile is; a standard error needs a density there.",
            hint="AIPW() for the average effect, or another quantile",
        )
    return found


def heaping_note(outcome: str, heaped: float) -> tuple[Diagnostic, ...]:
    """A caution where many rows have exactly the value of a quantile."""
    if heaped <= HEAPED:
        return ()
    message = (
        f"{heaped:.0%} of an arm have exactly the value of {outcome!r} that is a quantile: it is counted rather than "
        "measured there, and the standard error, which needs a density, is not to be trusted."
    )
    return (Diagnostic("heaped-outcome", Severity.CAUTION, message, heaped),)
