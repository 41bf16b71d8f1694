"""Effects by an instrument: what it does to the outcome per what it does to the treatment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from butfor.core.diagnostic import Diagnostic, Severity
from butfor.core.errors import MethodMismatch, NumericalFailure
from butfor.core.table import format_number
from butfor.data.sample import Sample, Treatment
from butfor.estimators.base import Estimator, Fit, describe
from butfor.identify.strategies import Strategy
from butfor.inference.distribution import critical_value
from butfor.inference.doubly_robust import EffectScores
from butfor.inference.estimate import Estimate
from butfor.inference.fieller import Interval, fieller_intervals
from butfor.inference.ratio import ratio_effects
from butfor.question import Estimand, Question

FloatArray = NDArray[np.float64]

# Below the first, intervals of the ratio are not to be trusted (Staiger and Stock 1997, doi:10.2307/2171753); from the
# second on they hold with 95 % whatever the hidden confounding (Lee et al. 2022, doi:10.1257/aer.20211063).
WEAK, STRONG = 10.0, 104.7


@dataclass(frozen=True, eq=False)
class WaldFit(Fit):
    """An effect by an instrument, with how strong the instrument is and intervals that hold when it is weak.

    Attributes:
        parts: for each effect the average numerator (first half) and denominator (second half) of its ratio.
        strength: first-stage F of each effect, robust to heteroskedasticity and clusters; with several columns of the
            instrument the effective F of Montiel Olea and Pflueger 2013 (doi:10.1080/00401706.2013.806694).
        columns: columns of the instrument.
        top, bottom: numerator and denominator of each row, before they are averaged.
    """

    parts: Estimate | None = None
    strength: FloatArray | None = None
    columns: int = 1
    top: FloatArray | None = None
    bottom: FloatArray | None = None

    @cached_property
    def effect_scores(self) -> EffectScores:
        """What effects by groups and columns are made of: the effect on those whom the instrument moves among them.

        Of a line in some columns these are two-stage least squares of what the covariates leave, or the doubly robust
        scores of those who follow the instrument (Syrgkanis et al. 2019, arXiv:1905.10176).
        """
        if self.top is None or self.bottom is None:
            raise self._without_scores("effects of groups and of columns")
        # An instrument that keeps units from the treatment is one that brings them to it, the other way round.
        sign = float(np.sign(self.bottom.mean()))
        return EffectScores(self.sample.treatment.terms, (sign * self.top,), (sign * self.bottom,))

    def robust_interval(self, level: float = 0.95) -> tuple[tuple[Interval, ...], ...]:
        """For each effect the intervals that an Anderson–Rubin test does not reject, valid however weak the instrument.

        One interval when the instrument is strong; a weak one may leave two rays, (−∞, a) and (b, ∞), or the whole
        line: then the data say little or nothing. With A the average numerator and B the denominator, the set of θ with
        (A − θB)² ≤ c² Var(A − θB) (Anderson and Rubin 1949, doi:10.1214/aoms/1177730090; Fieller 1954).

        Raises:
            MethodMismatch: with several columns of the instrument.
        """
        if self.parts is None or self.columns > 1:
            raise MethodMismatch(
                f"The instrument has {self.columns} columns; this Anderson–Rubin interval needs one.",
                hint="use an instrument with two levels, or a number",
            )
        k = len(self.result.labels)
        critical = float(critical_value(level, self.parts.degrees_of_freedom))
        value, covariance = self.parts.value, self.parts.covariance
        return tuple(
            fieller_intervals(value[j], value[k + j], covariance[np.ix_([j, k + j], [j, k + j])], critical)
            for j in range(k)
        )


@dataclass(frozen=True, eq=False)
class Moments:
    """Numerator and denominator of each row, first-stage F of each part of the sample if known, and words.

    Attributes:
        columns: columns of the instrument.
        estimand: what the ratio is the effect for.
    """

    top: FloatArray
    bottom: FloatArray
    estimand: Estimand
    words: tuple[str, ...]
    strength: FloatArray | None = None
    columns: int = 1
    notes: tuple[Diagnostic, ...] = ()


def wald_fit(
    estimator: Estimator, sample: Sample, question: Question, strategy: Strategy, seed: int, moments: Moments
) -> WaldFit:
    """E[w·top] / E[w·bottom], for everyone and for each subgroup.

    Raises:
        NumericalFailure: when the instrument does not move the treatment at all.
    """
    ones = [np.ones(sample.n)]
    labels, top, top_influence = ratio_effects(sample, [moments.top], ones)
    _, bottom, bottom_influence = ratio_effects(sample, [moments.bottom], ones)
    size = float(np.abs(moments.bottom).mean())
    for label, value in zip(labels, bottom, strict=True):
        if abs(value) <= 1e-12 * size or size == 0.0:
            raise NumericalFailure(
                f"The instrument does not move the treatment at all ({label}); an effect needs a first stage.",
                hint="choose another instrument, or leave out the modifier",
            )
    common = describe(estimator, sample, strategy, seed)
    value = top / bottom
    result = Estimate(
        labels=labels,
        value=value,
        influence=(top_influence - value * bottom_influence) / bottom,
        estimand=moments.estimand,
        **common,
    )
    parts = Estimate(
        labels=(*(f"numerator of {x}" for x in labels), *(f"denominator of {x}" for x in labels)),
        value=np.concatenate([top, bottom]),
        influence=np.hstack([top_influence, bottom_influence]),
        **common,
    )
    strength = moments.strength
    if strength is None:
        spread = parts.std_error[len(labels) :]
        strength = np.divide(bottom**2, spread**2, out=np.full(len(bottom), np.inf), where=spread > 0)
    return WaldFit(
        estimator,
        sample,
        question,
        strategy,
        replace(result, diagnostics=(*result.diagnostics, *moments.notes)),
        nuisance_summary=moments.words,
        parts=parts,
        strength=strength,
        columns=moments.columns,
        top=moments.top,
        bottom=moments.bottom,
    )


def with_strength(fit: WaldFit) -> WaldFit:
    """The fit with its first stage among the diagnostics: that of everyone, and that of subgroups where it is weak."""
    assert fit.strength is not None
    assert fit.sample.instrument is not None
    what = f"first-stage F of {fit.sample.instrument.name!r}"
    what = what if fit.columns == 1 else f"effective {what}"
    sets = fit.robust_interval() if fit.columns == 1 else [()] * len(fit.strength)
    found = [
        strength_note(what, "" if number == 0 else f" for {label}", f, robust)
        for number, (label, f, robust) in enumerate(zip(fit.result.labels, fit.strength.tolist(), sets, strict=True))
        if number == 0 or f < WEAK
    ]
    return replace(fit, result=replace(fit.result, diagnostics=(*fit.result.diagnostics, *found)))


def strength_note(what: str, where: str, f: float, robust: tuple[Interval, ...]) -> Diagnostic:
    """How far an instrument with this F can be trusted."""
    value = f if np.isfinite(f) else None
    told = f"The {what} is {'infinite' if value is None else f'{f:,.1f}'}{where}"
    holds = f"The Anderson–Rubin set, {set_words(robust)}, holds all the same." if robust else ""
    if f < WEAK:
        message = f"{told}, below {WEAK:g}: the instrument is weak and the interval not to be trusted. {holds}"
        return Diagnostic("weak-instrument", Severity.DANGER, message.strip(), value)
    if f < STRONG:
        message = f"{told}. Below {STRONG:g} strong hidden confounding can make the interval too short. {holds}"
        return Diagnostic("first-stage", Severity.CAUTION, message.strip(), value)
    return Diagnostic("first-stage", Severity.NOTE, f"{told}.", value)


def set_words(intervals: tuple[Interval, ...]) -> str:
    """A set of intervals in words.

    >>> set_words(((1.0, 2.5),)), set_words(((-np.inf, 1.0), (3.0, np.inf))), set_words(((-np.inf, np.inf),))
    ('1.00 to 2.50', 'below 1.00 or above 3.00', 'every number')
    """
    (low, high), *others = intervals
    if others:
        return f"below {format_number(high, 3)} or above {format_number(others[0][0], 3)}"
    return f"{format_number(low, 3)} to {format_number(high, 3)}" if np.isfinite(low) else "every number"


def require_instrument(sample: Sample) -> Treatment:
    """The instrument of a sample.

    Raises:
        MethodMismatch: when it has none.
    """
    if sample.instrument is None:
        raise MethodMismatch(
            "The sample has no instrument; this method needs one.", hint="fit(..., instrument='assigned')"
        )
    return sample.instrument
