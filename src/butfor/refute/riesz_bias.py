"""Omitted-variable bias of machine-learned effects (Chernozhukov, Cinelli, Newey, Sharma and Syrgkanis 2022,
doi:10.3386/w30302)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from butfor.core.errors import InvalidSetting
from butfor.core.serial import public_value
from butfor.estimators.base import Fit
from butfor.inference.distribution import critical_value
from butfor.inference.estimate import Estimate
from butfor.refute.linear_bias import balanced_strength, direction, shares

FloatArray = NDArray[np.float64]


@public_value
@dataclass(frozen=True, eq=False)
class RieszBias:
    """What a confounder left out can have done to an effect of the form θ = E[α Y].

    With σ² = E[(Y − E[Y | T, X])²] and ν² = E[α²], a confounder that explains the share r_y of what is left of the
    outcome, and raises the variance of α so that it makes up the share r_t of it, moves the effect by at most

        |bias| = √(σ² ν²) √(r_y r_t / (1 − r_t)),

    reached when it works against the effect as hard as it can (ρ = 1). For a partially linear model r_t is the
    partial R² with the treatment, and the formula that of Cinelli and Hazlett.

    Attributes:
        residual_variance: σ².
        riesz_variance: ν².
        covariance: of the estimates of θ, σ² and ν² (3 × 3), from their influence functions.
        df: of the t distribution of the limits; None means the normal.
    """

    estimate: float
    residual_variance: float
    riesz_variance: float
    covariance: FloatArray
    df: float | None = None

    @classmethod
    def of(cls, fit: Fit) -> RieszBias:
        """From the first effect of a fit that has α and residuals.

        ν² is estimated by E[2 m(W; α) − α²], m being the effect's functional: errors of the propensity then matter
        to second order only. Without doubly robust scores α is that of a partially linear model, m(W; α) = ν².
        """
        assert fit.riesz is not None
        assert fit.residual is not None
        assert fit.result.influence is not None
        n, sample = fit.sample.n, fit.sample
        weights = np.ones(n) if sample.weights is None else sample.weights / sample.weights.mean()
        alpha = np.divide(fit.riesz[:, 0], weights, out=np.zeros(n), where=weights > 0)
        squares = alpha**2
        functional = _functional(fit, weights, squares)
        error = fit.residual[:, 0] ** 2
        residual_variance = float(np.mean(weights * error))
        riesz_variance = float(np.mean(weights * (2.0 * functional - squares)))
        if not (residual_variance > 0.0 and riesz_variance > 0.0):
            raise InvalidSetting(
                f"Residual variance is {residual_variance}; bounds on omitted variables need an outcome that the "
                "covariates do not determine.",
                hint="leave sensitivity analysis out",
            )
        influence = np.column_stack(
            [
                fit.result.influence[:, 0],
                weights * (error - residual_variance),
                weights * (2.0 * functional - squares - riesz_variance),
            ]
        )
        covariance = Estimate(
            labels=("effect", "residual_variance", "riesz_variance"),
            value=np.array([fit.result.value[0], residual_variance, riesz_variance]),
            n=n,
            estimator=fit.result.estimator,
            influence=influence,
            clusters=fit.result.clusters,
        ).covariance
        # The effect keeps the small-sample correction of its reported standard error.
        scale = np.array([float(fit.result.std_error[0]) / np.sqrt(covariance[0, 0]), 1.0, 1.0])
        df = fit.result.degrees_of_freedom
        return cls(
            float(fit.result.value[0]),
            residual_variance,
            riesz_variance,
            covariance * np.outer(scale, scale),
            None if df is None else float(np.ravel(df)[0]),
        )

    @property
    def std_error(self) -> float:
        """Standard error without confounding."""
        return float(np.sqrt(self.covariance[0, 0]))

    @property
    def reach(self) -> float:
        """S = √(σ² ν²): the bias of a confounder with r_y r_t / (1 − r_t) = 1."""
        return float(np.sqrt(self.residual_variance * self.riesz_variance))

    def adjusted(self, treatment: ArrayLike, outcome: ArrayLike) -> FloatArray:
        """The effect moved towards zero (and past it) as far as a confounder of these strengths can move it."""
        return self.estimate - direction(self.estimate) * self.reach * _strength(treatment, outcome)

    def adjusted_error(self, treatment: ArrayLike, outcome: ArrayLike) -> FloatArray:
        """Standard error of the moved effect, by the delta method on θ, σ² and ν²."""
        return self._error(-direction(self.estimate) * _strength(treatment, outcome))

    def bounds(self, treatment: ArrayLike, outcome: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """The least and the largest effect that agree with the data and a confounder of these strengths."""
        half = self.reach * _strength(treatment, outcome)
        return self.estimate - half, self.estimate + half

    def interval(
        self, treatment: ArrayLike, outcome: ArrayLike, *, level: float = 0.95
    ) -> tuple[FloatArray, FloatArray]:
        """Confidence limits of the moved effect."""
        centre = self.adjusted(treatment, outcome)
        half = critical_value(level, self.df) * self.adjusted_error(treatment, outcome)
        return centre - half, centre + half

    def outer_interval(
        self, treatment: ArrayLike, outcome: ArrayLike, *, level: float = 0.95
    ) -> tuple[FloatArray, FloatArray]:
        """The lower confidence limit of the least effect, and the upper one of the largest."""
        critical, strength = critical_value(level, self.df), _strength(treatment, outcome)
        low, high = self.bounds(treatment, outcome)
        return low - critical * self._error(-strength), high + critical * self._error(strength)

    def robustness_value(self, share: float = 1.0) -> float:
        """The strength, equal for treatment and outcome, that can take this share of the effect away."""
        return balanced_strength(share * abs(self.estimate) / self.reach)

    def robustness_value_significant(self, share: float = 1.0, *, level: float = 0.95) -> float:
        """The least strength, equal for both, that can make the interval reach what is left of the effect."""
        return balanced_strength(self._strength_to_lose_significance(share * abs(self.estimate), level))

    def outcome_to_vanish(self, treatment: ArrayLike) -> FloatArray:
        """r_y that takes the effect to zero at each r_t; above 1 where none does."""
        t = np.asarray(treatment, dtype=float)
        return (self.estimate / self.reach) ** 2 * (1.0 - t) / t

    def outcome_to_lose_significance(self, treatment: ArrayLike, *, level: float = 0.95) -> FloatArray:
        """The least r_y that makes the interval reach zero at each r_t; above 1 where none does."""
        t = np.asarray(treatment, dtype=float)
        return self._strength_to_lose_significance(abs(self.estimate), level) ** 2 * (1.0 - t) / t

    def _strength_to_lose_significance(self, effect: float, level: float) -> float:
        """The least C with effect − C S = z √(a + b C + c C²), a quadratic in C."""
        z = float(critical_value(level, self.df))
        if effect <= z * self.std_error:
            return 0.0
        constant, slope, curve = self._variance_in_strength()
        square = self.reach**2 - z**2 * curve
        linear = -2.0 * effect * self.reach - z**2 * slope
        level_term = effect**2 - z**2 * constant
        # The other root solves the equation with −z. This form of ours, 2c / (−b + √…), loses no digits.
        return 2.0 * level_term / (-linear + float(np.sqrt(max(linear**2 - 4.0 * square * level_term, 0.0))))

    def _variance_in_strength(self) -> tuple[float, float, float]:
        """Var(θ − sign(θ) C S) = constant + slope C + curve C²."""
        gradient = 0.5 * self.reach / np.array([self.residual_variance, self.riesz_variance])
        slope = -2.0 * direction(self.estimate) * float(self.covariance[0, 1:] @ gradient)
        curve = float(gradient @ self.covariance[1:, 1:] @ gradient)
        return float(self.covariance[0, 0]), slope, curve

    def _error(self, signed_strength: FloatArray) -> FloatArray:
        constant, slope, curve = self._variance_in_strength()
        strength = -direction(self.estimate) * signed_strength
        return np.sqrt(np.maximum(constant + slope * strength + curve * strength**2, 0.0))


def _functional(fit: Fit, weights: FloatArray, squares: FloatArray) -> FloatArray:
    """m(W; α) = (h / E h) (α(a, X) − α(b, X)) = (h / E h)² (1/e_a + 1/e_b); its mean, ν², where that is all we have."""
    plain = np.full(len(squares), float(np.mean(weights * squares)))
    if fit.scores is None or fit.propensity is None:
        return plain
    treated, reference = fit.sample.treatment.contrasts[0]
    tilt, _ = fit.result.estimand.tilt(fit.propensity, treated, reference)
    tilt = tilt / np.mean(weights * tilt)
    functional = tilt**2 * (1.0 / fit.propensity[:, treated] + 1.0 / fit.propensity[:, reference])
    # A few extreme propensities can make the orthogonal estimate of ν² negative; E[α²] cannot be.
    return functional if float(np.mean(weights * (2.0 * functional - squares))) > 0.0 else plain


def _strength(treatment: ArrayLike, outcome: ArrayLike) -> FloatArray:
    t, y = shares(treatment, outcome)
    return np.sqrt(y * t / (1.0 - t))
