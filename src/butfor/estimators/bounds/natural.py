"""Natural bounds: what the effect can be when nothing is assumed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from butfor.core.rng import Seed
from butfor.data.sample import Sample, TreatmentKind
from butfor.estimators.base import Description, Estimator, Fit, describe
from butfor.estimators.bounds.interval import imbens_manski
from butfor.estimators.bounds.limits import end_labels, interval_notes, limits_of, refuse_other_estimands
from butfor.identify.bounds import Bounds
from butfor.identify.strategies import Strategy
from butfor.inference.estimate import Estimate
from butfor.inference.ratio import ratio_effects
from butfor.nuisance.cache import NuisanceCache
from butfor.question import Question

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class NaturalFit(Fit):
    """Natural bounds with the confidence interval of the effect itself.

    Attributes:
        means: both ends of E[Y(t)] for each arm.
        farthest: the effect cannot be larger than this in size.
    """

    means: Estimate | None = None
    farthest: float = np.inf

    def interval(self, level: float = 0.95) -> FloatArray:
        """Confidence limits of each effect (effects × 2), by Imbens and Manski: the effect is inside, not all that
        lies between the bounds."""
        value, error = self.result.value, self.result.std_error
        rows = [
            imbens_manski((value[k], value[k + 1]), (error[k], error[k + 1]), level) for k in range(0, len(value), 2)
        ]
        return np.clip(np.array(rows), -self.farthest, self.farthest)


@dataclass(frozen=True, kw_only=True)
class NaturalBounds(Estimator):
    """Bound the effect by what the unseen outcomes could have been at least and at most.

    **Answers** what the data say of the effect for certain, whoever chose the treatment and for whatever reason.

    **Estimates** both ends of the interval of the ATE (`fit.means` has those of E[Y(t)] for each arm). With Y between
    a and b,

        E[Y 1{T = t}] + a P(T ≠ t)  ≤  E[Y(t)]  ≤  E[Y 1{T = t}] + b P(T ≠ t),

    so that for two arms the effect is known up to b − a, always with zero inside. The labels of the result say which
    end it is. Covariates cannot narrow these bounds (their average over strata is the same), hence none are read.

    **Assumes** that a and b are the limits of the outcome whatever the treatment (probe: ask what the scale allows),
    and consistency (probe: ask for versions of the treatment). Nothing else.

    `fit.interval()` is the confidence interval of the effect; the standard errors are those of the ends.

    Args:
        least: the least possible outcome; not needed where the outcome has two values.
        greatest: the greatest.

    Raises:
        MethodMismatch: for an outcome without known limits, an amount, or an estimand other than the ATE.
        InvalidSetting: for limits that the data exceed.

    References:
        Robins 1989; Manski 1990 (jstor.org/stable/2006592); Imbens and Manski 2004
        (doi:10.1111/j.1468-0262.2004.00555.x).

    >>> import butfor as bf
    >>> from butfor.estimators.bounds.natural import NaturalBounds
    >>> frame = {"t": [0] * 50 + [1] * 50, "y": [0] * 40 + [1] * 10 + [0] * 20 + [1] * 30}
    >>> found = NaturalBounds().fit(frame, treatment="t", outcome="y")
    >>> found.result.labels, found.result.value.round(3).tolist()
    (('t: 1 - 0, lower', 't: 1 - 0, upper'), [-0.3, 0.7])
    """

    least: float | None = None
    greatest: float | None = None

    name: ClassVar[str] = "natural_bounds"
    title: ClassVar[str] = "Natural bounds"
    treatments: ClassVar[tuple[TreatmentKind, ...]] = ("binary", "arms")
    strategies: ClassVar[tuple[str, ...]] = ("bounds", "adjustment", "randomization")

    def accepts(self, strategy: Strategy) -> bool:
        """Natural bounds hold under every strategy; those of an instrument have an estimator of their own."""
        return super().accepts(strategy) and not (isinstance(strategy, Bounds) and strategy.method != "natural")

    def covariates(self, strategy: Strategy) -> tuple[str, ...]:
        """None."""
        return ()

    def fit_sample(
        self,
        sample: Sample,
        question: Question,
        strategy: Strategy,
        *,
        rng: Seed = 0,
        cache: NuisanceCache | None = None,
    ) -> NaturalFit:
        """Fit on a clean sample; nothing is random."""
        self.check(sample, strategy)
        refuse_other_estimands(question, self.title, subgroups=True)
        limits = limits_of(sample, self.least, self.greatest)
        origin = describe(self, sample, strategy, rng)
        arms = _arm_ends(sample, limits)
        pairs = sample.treatment.contrasts
        lowest = ratio_effects(sample, [arms[a][0] - arms[b][1] for a, b in pairs], [np.ones(sample.n)] * len(pairs))
        highest = ratio_effects(sample, [arms[a][1] - arms[b][0] for a, b in pairs], [np.ones(sample.n)] * len(pairs))
        terms = lowest[0]
        effect = Estimate(
            labels=end_labels(terms),
            value=np.stack([lowest[1], highest[1]], axis=1).ravel(),
            influence=np.stack([lowest[2], highest[2]], axis=2).reshape(sample.n, -1),
            estimand=question.estimand,
            **origin,
        )
        fit = NaturalFit(
            self,
            sample,
            question,
            strategy,
            effect,
            means=_arm_means(sample, arms, origin),
            farthest=limits[1] - limits[0],
        )
        notes = interval_notes(terms, effect.value, fit.interval(), 0.95)
        return replace(fit, result=replace(effect, diagnostics=(*effect.diagnostics, *notes)))


def _arm_ends(sample: Sample, limits: tuple[float, float]) -> list[tuple[FloatArray, FloatArray]]:
    """What each row adds to the ends of E[Y(t)], for each arm."""
    found: list[tuple[FloatArray, FloatArray]] = []
    for arm in range(sample.treatment.arms):
        here = sample.treatment.codes == arm
        low, high = (np.where(here, sample.outcome, limit) for limit in limits)
        found.append((low, high))
    return found


def _arm_means(sample: Sample, arms: Sequence[tuple[FloatArray, FloatArray]], origin: Description) -> Estimate:
    """Both ends of E[Y(t)] of everyone, for each arm."""
    weights = np.ones(sample.n) if sample.weights is None else sample.weights / sample.weights.mean()
    scores = np.column_stack([end for pair in arms for end in pair])
    value = weights @ scores / sample.n
    return Estimate(
        labels=end_labels([f"{sample.treatment.name} = {level}" for level in sample.treatment.levels]),
        value=value,
        influence=weights[:, None] * (scores - value),
        **origin,
    )
