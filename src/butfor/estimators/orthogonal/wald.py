"""Effects by an instrument: what it does to the outcome per what it does to the treatment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from butfor.core.diagnostic import Diagnostic, Severity
from butfor.core.errors import MethodMismatch, NumericalFailure
from butfor.data.sample import Sample, Treatment
from butfor.estimators.base import Estimator, Fit, describe
from butfor.identify.strategies import Strategy
from butfor.inference.distribution import critical_value
from butfor.inference.estimate import Estimate
from butfor.inference.ratio import ratio_effects
from butfor.question import Estimand, Question

FloatArray = NDArray[np.float64]
Interval = tuple[float, float]

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
    """

    parts: Estimate | None = None
    strength: FloatArray | None = None
    columns: int = 1

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
        cut = float(critical_value(level, self.parts.degrees_of_freedom)) ** 2
        covariance = self.parts.covariance
        top, bottom = self.parts.value[:k], self.parts.value[k:]
        return tuple(
            _fieller(
                float(bottom[j] ** 2 - cut * covariance[k + j, k + j]),
                float(top[j] * bottom[j] - cut * covariance[j, k + j]),
                float(top[j] ** 2 - cut * covariance[j, j]),
            )
            for j in range(k)
        )


def _fieller(a: float, half_b: float, c: float) -> tuple[Interval, ...]:
    """The θ with a θ² − 2 half_b θ + c ≤ 0; the ratio itself is always among them."""
    root = half_b**2 - a * c
    if a > 0.0:
        middle, half = half_b / a, float(np.sqrt(max(root, 0.0))) / a
        return ((middle - half, middle + half),)
    if root <= 0.0 or a == 0.0:
        return ((-np.inf, np.inf),)
    ends = sorted((half_b + sign * float(np.sqrt(root))) / a for sign in (-1.0, 1.0))
    return ((-np.inf, ends[0]), (ends[1], np.inf))


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
    fit = WaldFit(
        estimator,
        sample,
        question,
        strategy,
        result,
        nuisance_summary=moments.words,
        parts=parts,
        strength=strength,
        columns=moments.columns,
    )
    return _with_notes(fit, moments.notes)


def _with_notes(fit: WaldFit, notes: tuple[Diagnostic, ...]) -> WaldFit:
    assert fit.strength is not None
    assert fit.sample.instrument is not None
    found = strength_notes(fit.sample.instrument.name, fit.result.labels, fit.strength.tolist())
    result = replace(fit.result, diagnostics=(*fit.result.diagnostics, *found, *notes))
    return replace(fit, result=result)


def strength_notes(name: str, labels: Sequence[str], strength: Sequence[float]) -> list[Diagnostic]:
    """How far the instrument can be trusted: always for everyone, for subgroups where it is weak."""
    notes: list[Diagnostic] = []
    for number, (label, f) in enumerate(zip(labels, strength, strict=True)):
        value = f if np.isfinite(f) else None
        shown = f"{f:,.1f}" if value is not None else "infinite"
        where = "" if number == 0 else f" for {label}"
        if f < WEAK:
            message = (
                f"The first-stage F of {name!r} is {shown}{where}, below {WEAK:g}: the instrument is weak and the "
                "interval not to be trusted. robust_interval() holds all the same."
            )
            notes.append(Diagnostic("weak-instrument", Severity.DANGER, message, value))
        elif number == 0 and f < STRONG:
            message = (
                f"The first-stage F of {name!r} is {shown}. Below {STRONG:g} strong hidden confounding can make the "
                "interval too short; compare it with robust_interval()."
            )
            notes.append(Diagnostic("first-stage", Severity.CAUTION, message, value))
        elif number == 0:
            notes.append(Diagnostic("first-stage", Severity.NOTE, f"The first-stage F of {name!r} is {shown}.", value))
    return notes


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
