"""Estimands: whose average effect is asked for.

Every average effect here is a weighted average of conditional effects, E[h(X) τ(X)] / E[h(X)], where the
*tilting function* h picks the population (Li, Morgan and Zaslavsky 2018, doi:10.1080/01621459.2016.1260466).
With e_l(X) the probability of arm l, "treated" the arm in question and "reference" the arm it is compared with:

    ATE  h = 1                    everyone
    ATT  h = e_treated            those who got the treatment
    ATC  h = e_reference          those who did not
    ATO  h = 1 / Σ_l 1/e_l        those who could have gone either way (binary: e(1 − e))
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import InvalidSetting, MethodMismatch
from butfor.core.serial import public_value

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Estimand(ABC):
    """An average effect over a population.

    `trim` leaves out everyone for whom some compared arm has a probability below it: an explicit change of the
    question, shown in the label, that trades the population asked about for one the data can speak about.
    """

    trim: float = 0.0

    code: ClassVar[str]
    formula: ClassVar[str]
    who: ClassVar[str]
    what: ClassVar[str] = "effect"

    def __post_init__(self) -> None:
        if not 0.0 <= self.trim < 0.5:
            raise InvalidSetting(
                f"trim is {self.trim}; an estimand needs 0 ≤ trim < 0.5.",
                hint="trim=0.05 keeps units whose arms all have a probability of at least 0.05",
            )

    @property
    def label(self) -> str:
        """The name that a result carries."""
        return f"{self.code}, trimmed to {self.trim:g} ≤ e(X)" if self.trim else self.code

    @property
    def words(self) -> str:
        """Who the answer is about."""
        return (
            f"{self.who}, among units whose arms all had a probability of at least {self.trim:g}"
            if self.trim
            else self.who
        )

    def tilt(self, propensity: FloatArray, treated: int, reference: int) -> tuple[FloatArray, FloatArray]:
        """h (rows) and its derivatives ∂h/∂e_l (rows × arms) at the propensities (rows × arms)."""
        h, slope = self._tilt(propensity, treated, reference)
        if self.trim:
            kept = np.minimum(propensity[:, treated], propensity[:, reference]) >= self.trim
            h, slope = h * kept, slope * kept[:, None]
        return h, slope

    @abstractmethod
    def _tilt(self, propensity: FloatArray, treated: int, reference: int) -> tuple[FloatArray, FloatArray]: ...


@public_value
@dataclass(frozen=True, kw_only=True)
class ATE(Estimand):
    """Average treatment effect: what if everyone were treated instead of no one?"""

    code: ClassVar[str] = "ATE"
    formula: ClassVar[str] = "E[Y(1) − Y(0)]"
    who: ClassVar[str] = "everyone"

    def _tilt(self, propensity: FloatArray, treated: int, reference: int) -> tuple[FloatArray, FloatArray]:
        return np.ones(len(propensity)), np.zeros_like(propensity)


@public_value
@dataclass(frozen=True, kw_only=True)
class ATT(Estimand):
    """Average effect on the treated: what did the treatment do for those who got it?"""

    code: ClassVar[str] = "ATT"
    formula: ClassVar[str] = "E[Y(1) − Y(0) | T = 1]"
    who: ClassVar[str] = "those who were treated"

    def _tilt(self, propensity: FloatArray, treated: int, reference: int) -> tuple[FloatArray, FloatArray]:
        return _share_of(propensity, treated)


@public_value
@dataclass(frozen=True, kw_only=True)
class ATC(Estimand):
    """Average effect on the controls: what would the treatment do for those who did not get it?"""

    code: ClassVar[str] = "ATC"
    formula: ClassVar[str] = "E[Y(1) − Y(0) | T = 0]"
    who: ClassVar[str] = "those who were not treated"

    def _tilt(self, propensity: FloatArray, treated: int, reference: int) -> tuple[FloatArray, FloatArray]:
        return _share_of(propensity, reference)


@public_value
@dataclass(frozen=True, kw_only=True)
class ATO(Estimand):
    """Average effect in the overlap: what does the treatment do for those who could have gone either way?"""

    code: ClassVar[str] = "ATO"
    formula: ClassVar[str] = "E[e(1 − e)(Y(1) − Y(0))] / E[e(1 − e)]"
    who: ClassVar[str] = "those who could have gone either way (overlap population)"

    def _tilt(self, propensity: FloatArray, treated: int, reference: int) -> tuple[FloatArray, FloatArray]:
        h = 1.0 / np.sum(1.0 / propensity, axis=1)
        return h, (h[:, None] / propensity) ** 2


@public_value
@dataclass(frozen=True, kw_only=True)
class VWE(Estimand):
    """Variance-weighted effect: what a regression with one common slope estimates when effects differ.

    Not a question one asks but the name of what some estimators answer: units whose treatment varies most
    given the covariates count most. It equals the average effect when the effect is the same for all.
    """

    code: ClassVar[str] = "VWE"
    formula: ClassVar[str] = "E[Var(T | X) τ(X)] / E[Var(T | X)]"
    who: ClassVar[str] = "everyone, weighted by how much their treatment varies given the covariates"

    def _tilt(self, propensity: FloatArray, treated: int, reference: int) -> tuple[FloatArray, FloatArray]:
        e = propensity[:, treated]
        slope = np.zeros_like(propensity)
        slope[:, treated] = 1.0 - 2.0 * e
        return e * (1.0 - e), slope


@public_value
@dataclass(frozen=True, kw_only=True)
class LATE(Estimand):
    """Local average treatment effect: what does the treatment do for those whom the instrument moves (compliers)?

    Nobody can tell who they are, hence no function h of the covariates picks them.
    """

    code: ClassVar[str] = "LATE"
    formula: ClassVar[str] = "E[Y(1) − Y(0) | T(1) > T(0)]"
    who: ClassVar[str] = "those whose treatment the instrument moves (compliers)"

    def _tilt(self, propensity: FloatArray, treated: int, reference: int) -> tuple[FloatArray, FloatArray]:
        raise _needs_instrument(self)


@public_value
@dataclass(frozen=True, kw_only=True)
class CWE(Estimand):
    """Covariance-weighted effect: what an instrument and one common slope estimate when effects differ.

    Not a question one asks but the name of what some estimators answer: those whom the instrument moves count the
    more, the more it varies given the covariates. It equals the average effect when the effect is the same for all.
    """

    code: ClassVar[str] = "CWE"
    formula: ClassVar[str] = "E[Cov(Z, T | X) τ(X)] / E[Cov(Z, T | X)]"
    who: ClassVar[str] = (
        "those whose treatment the instrument moves, weighted by how much the two vary together given the covariates"
    )

    def _tilt(self, propensity: FloatArray, treated: int, reference: int) -> tuple[FloatArray, FloatArray]:
        raise _needs_instrument(self)


@public_value
@dataclass(frozen=True, kw_only=True)
class PotentialMean(Estimand):
    """The mean outcome had the treatments been set: what effects are differences of."""

    code: ClassVar[str] = "E[Y(t)]"
    formula: ClassVar[str] = "E[Y(t)]"
    who: ClassVar[str] = "everyone, or those named, had the treatments been set"
    what: ClassVar[str] = "mean outcome"

    def _tilt(self, propensity: FloatArray, treated: int, reference: int) -> tuple[FloatArray, FloatArray]:
        return np.ones(len(propensity)), np.zeros_like(propensity)


@public_value
@dataclass(frozen=True, kw_only=True)
class QTE(Estimand):
    """Quantile treatment effect: how do quantiles of the outcome differ if everyone is treated instead of no one?

    Not a question one asks but the name of what `QuantileEffect` answers; its labels say which quantiles.
    """

    code: ClassVar[str] = "QTE"
    formula: ClassVar[str] = "F₁⁻¹(q) − F₀⁻¹(q)"
    who: ClassVar[str] = "everyone"
    what: ClassVar[str] = "difference between quantiles"

    def _tilt(self, propensity: FloatArray, treated: int, reference: int) -> tuple[FloatArray, FloatArray]:
        return np.ones(len(propensity)), np.zeros_like(propensity)


@public_value
@dataclass(frozen=True, kw_only=True)
class LQTE(Estimand):
    """Local quantile treatment effect: the same among those whom an instrument moves.

    Not a question one asks but the name of what `LocalQuantileEffect` answers; its labels say which quantiles.
    """

    code: ClassVar[str] = "LQTE"
    formula: ClassVar[str] = "F₁⁻¹(q) − F₀⁻¹(q) among T(1) > T(0)"
    who: ClassVar[str] = "those whose treatment the instrument moves (compliers)"
    what: ClassVar[str] = "difference between quantiles"

    def _tilt(self, propensity: FloatArray, treated: int, reference: int) -> tuple[FloatArray, FloatArray]:
        raise _needs_instrument(self)


@public_value
@dataclass(frozen=True, kw_only=True)
class CVaRE(Estimand):
    """Effect on the conditional value at risk: how do means above a quantile differ if everyone is treated?

    Not a question one asks but the name of what `TailEffect` answers; its labels say above which quantiles.
    """

    code: ClassVar[str] = "CVaR effect"
    formula: ClassVar[str] = "E[Y(1) | Y(1) ≥ F₁⁻¹(q)] − E[Y(0) | Y(0) ≥ F₀⁻¹(q)]"
    who: ClassVar[str] = "everyone"
    what: ClassVar[str] = "difference between means above a quantile"

    def _tilt(self, propensity: FloatArray, treated: int, reference: int) -> tuple[FloatArray, FloatArray]:
        return np.ones(len(propensity)), np.zeros_like(propensity)


@public_value
@dataclass(frozen=True, kw_only=True)
class Association(Estimand):
    """The difference between the groups as they are: what one sees, not what the treatment did."""

    code: ClassVar[str] = "association"
    formula: ClassVar[str] = "E[Y | T = 1] − E[Y | T = 0]"
    who: ClassVar[str] = "the groups as they are, which differ in more than the treatment"

    def _tilt(self, propensity: FloatArray, treated: int, reference: int) -> tuple[FloatArray, FloatArray]:
        return np.ones(len(propensity)), np.zeros_like(propensity)


def _needs_instrument(estimand: Estimand) -> MethodMismatch:
    return MethodMismatch(
        f"The {estimand.code} is about {estimand.who}; it needs an instrument.",
        hint="InteractiveIV() or PartiallyLinearIV() with instrument=, or estimand=ATE()",
    )


def _share_of(propensity: FloatArray, arm: int) -> tuple[FloatArray, FloatArray]:
    slope = np.zeros_like(propensity)
    slope[:, arm] = 1.0
    return propensity[:, arm], slope
