"""E-values: how strong a hidden confounder would have to be, on the scale of risk ratios."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, sqrt

import numpy as np

from butfor.core.errors import InvalidSetting
from butfor.core.serial import public_value
from butfor.core.table import format_number
from butfor.estimators.base import Fit
from butfor.inference.distribution import critical_value
from butfor.question import ATE, Estimand


@public_value
@dataclass(frozen=True)
class EValue:
    """The E-value of an effect (VanderWeele and Ding 2017, doi:10.7326/M16-2607).

    **Answers** how many times more likely a hidden confounder would have to make *both* the treatment and the
    outcome, beyond the measured covariates, to explain the effect away.

    **Estimates** E = RR + √(RR (RR − 1)), with 1/RR in place of RR < 1, for the effect and for the confidence limit
    nearer to no effect (1 when the interval contains no effect). Other measures are first turned into risk ratios.

    Attributes:
        scale: the measure that the effect came in.
        risk_ratio, low, high: the effect and its confidence limits as (approximate) risk ratios.
        point: E-value of the effect.
        limit: E-value of the limit nearer to no effect; None without limits.

    >>> smoking = EValue.of_risk_ratio(10.73, 8.02, 14.36)
    >>> round(smoking.point, 2), round(smoking.limit, 2)
    (20.95, 15.52)
    """

    scale: str
    risk_ratio: float
    low: float | None
    high: float | None
    point: float
    limit: float | None

    @classmethod
    def of_risk_ratio(
        cls, risk_ratio: float, low: float | None = None, high: float | None = None, *, scale: str = "risk ratio"
    ) -> EValue:
        """From a risk ratio and its confidence limits."""
        for value in (low, risk_ratio, high):
            if value is not None and not (value > 0.0 and np.isfinite(value)):
                raise InvalidSetting(
                    f"{scale} gives a risk ratio of {value}; an E-value needs a positive one.",
                    hint="pass the ratio itself, not its logarithm",
                )
        if (low is not None and low > risk_ratio) or (high is not None and high < risk_ratio):
            raise InvalidSetting(
                f"limits are {low} and {high}; an E-value needs limits around the risk ratio {risk_ratio}.",
                hint="low before high",
            )
        nearer = low if risk_ratio > 1.0 else high
        limit = None if nearer is None else 1.0
        if nearer is not None and (nearer > 1.0) == (risk_ratio > 1.0):
            limit = e_value(nearer)
        return cls(scale, risk_ratio, low, high, e_value(risk_ratio), limit)

    @classmethod
    def of_odds_ratio(
        cls, odds_ratio: float, low: float | None = None, high: float | None = None, *, rare: bool
    ) -> EValue:
        """From an odds ratio: itself when the outcome is rare (below 15 %), otherwise its square root."""
        if rare:
            return cls.of_risk_ratio(odds_ratio, low, high, scale="odds ratio, rare outcome")
        limits = [None if v is None else _root(v) for v in (low, high)]
        return cls.of_risk_ratio(_root(odds_ratio), *limits, scale="odds ratio, common outcome")

    @classmethod
    def of_hazard_ratio(
        cls, hazard_ratio: float, low: float | None = None, high: float | None = None, *, rare: bool
    ) -> EValue:
        """From a hazard ratio: itself when the outcome is rare, otherwise (1 − ½^√HR) / (1 − ½^√(1/HR))."""
        if rare:
            return cls.of_risk_ratio(hazard_ratio, low, high, scale="hazard ratio, rare outcome")
        limits = [None if v is None else _risk_ratio_of_hazards(v) for v in (low, high)]
        return cls.of_risk_ratio(_risk_ratio_of_hazards(hazard_ratio), *limits, scale="hazard ratio, common outcome")

    @classmethod
    def of_standardized_difference(cls, difference: float, std_error: float | None = None) -> EValue:
        """From a mean difference in standard deviations: RR ≈ exp(0.91 d), limits exp(0.91 d ∓ 1.78 se)."""
        low = None if std_error is None else exp(0.91 * difference - 1.78 * std_error)
        high = None if std_error is None else exp(0.91 * difference + 1.78 * std_error)
        return cls.of_risk_ratio(exp(0.91 * difference), low, high, scale="standardised mean difference")

    @classmethod
    def of_slope(cls, slope: float, std_error: float, *, outcome_sd: float, change: float = 1.0) -> EValue:
        """From a regression slope: the standardised difference that a `change` of the treatment makes."""
        if not outcome_sd > 0.0:
            raise InvalidSetting(
                f"outcome_sd is {outcome_sd}; a standardised difference needs a positive one.", hint="np.std(outcome)"
            )
        return cls.of_standardized_difference(slope * change / outcome_sd, std_error * abs(change) / outcome_sd)

    @classmethod
    def of_counts(cls, treated: tuple[int, int], control: tuple[int, int], *, level: float = 0.95) -> EValue:
        """From the risk difference of two groups, each given as (with outcome, without).

        A bias factor B takes the difference to p₁ − B p₀ (Ding and VanderWeele 2016, doi:10.1097/EDE.0000000000000457):
        the effect vanishes at B = p₁ / p₀, its confidence limit at the smaller root B of
        p₁ − B p₀ = z √(v₁ + B² v₀).
        """
        (p1, v1), (p0, v0) = _risk(treated), _risk(control)
        if p1 < p0:
            flipped = cls.of_counts(control, treated, level=level)
            low = None if flipped.high is None else 1.0 / flipped.high
            high = None if flipped.low is None else 1.0 / flipped.low
            return cls("risk difference", 1.0 / flipped.risk_ratio, low, high, flipped.point, flipped.limit)
        z = float(critical_value(level, None))
        a, c = p0**2 - z**2 * v0, p1**2 - z**2 * v1
        inside = (p1 * p0) ** 2 - a * c
        low = c / (p1 * p0 + sqrt(inside)) if c > 0.0 and inside >= 0.0 else None
        high = (p1 * p0 + sqrt(inside)) / a if a > 0.0 and inside >= 0.0 else None
        return cls.of_risk_ratio(p1 / p0, low, high, scale="risk difference")

    @classmethod
    def of_fit(cls, fit: Fit) -> EValue | None:
        """From the first effect of a fit; None where it has no risk ratio.

        For an outcome of zeros and ones the risk ratio sets the effect against the risk without treatment, taken as
        known: the doubly robust mean of the reference arm where the fit has one, otherwise its plain mean. Other
        outcomes go by the standard deviation of the outcome.
        """
        sample, result = fit.sample, fit.result
        if result.estimand.what != Estimand.what or sample.event is not None:
            return None  # no mean is a quantile, and no time that ends early is an outcome
        effect, (low, high) = float(result.value[0]), (float(v) for v in result.interval()[0])
        outcome, weights = sample.outcome, sample.weights
        if np.all((outcome == 0.0) | (outcome == 1.0)):
            base = _reference_risk(fit)
            if base <= 0.0 or base + effect <= 0.0:
                return None
            floor = 1e-9
            return cls.of_risk_ratio(
                (base + effect) / base,
                max((base + low) / base, floor),
                max((base + high) / base, floor),
                scale="risk difference",
            )
        mean = np.average(outcome, weights=weights)
        # The sample standard deviation, n − 1.
        sd = sqrt(float(np.average((outcome - mean) ** 2, weights=weights)) * sample.n / (sample.n - 1))
        return cls.of_slope(effect, float(result.std_error[0]), outcome_sd=sd)

    @property
    def words(self) -> str:
        """The E-value in a sentence."""
        text = (
            "To explain the effect away, a hidden confounder would have to make both the treatment and the outcome at "
            f"least {format_number(self.point, 3)} times as likely, beyond the measured covariates"
        )
        if self.limit is None:
            return f"{text}."
        if self.limit == 1.0:
            return f"{text}; the interval contains no effect even without one."
        return f"{text}; {format_number(self.limit, 3)} times would do to make the interval reach no effect."


def e_value(risk_ratio: float, *, null: float = 1.0) -> float:
    """E-value of one risk ratio against `null`."""
    ratio = risk_ratio / null
    ratio = 1.0 / ratio if ratio < 1.0 else ratio
    return ratio + sqrt(ratio * (ratio - 1.0))


def _root(value: float) -> float:
    if not value > 0.0:
        raise InvalidSetting(f"ratio is {value}; an E-value needs a positive one.", hint="pass the ratio itself")
    return sqrt(value)


def _risk_ratio_of_hazards(hazard_ratio: float) -> float:
    root = _root(hazard_ratio)
    return (1.0 - 0.5**root) / (1.0 - 0.5 ** (1.0 / root))


def _risk(counts: tuple[int, int]) -> tuple[float, float]:
    total = counts[0] + counts[1]
    if min(counts) < 0 or counts[0] == 0:
        raise InvalidSetting(
            f"counts are {counts}; a risk ratio needs at least one row with the outcome in each group.",
            hint="counts are (with outcome, without)",
        )
    risk = counts[0] / total
    return risk, risk * (1.0 - risk) / total


def _reference_risk(fit: Fit) -> float:
    sample = fit.sample
    weights = np.ones(sample.n) if sample.weights is None else sample.weights
    if sample.treatment.kind == "amount":
        return float(np.average(sample.outcome, weights=weights))
    reference = sample.treatment.contrasts[0][1]
    if fit.scores is not None and isinstance(fit.result.estimand, ATE) and not fit.result.estimand.trim:
        return float(np.average(fit.scores[:, reference], weights=weights))
    arm = sample.treatment.codes == reference
    return float(np.average(sample.outcome[arm], weights=weights[arm]))
