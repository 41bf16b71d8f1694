"""Omitted-variable bias of a linear regression (Cinelli and Hazlett 2020, doi:10.1111/rssb.12348)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from butfor.core.errors import InvalidSetting
from butfor.core.serial import public_value
from butfor.inference.distribution import critical_value
from butfor.refute.linear_view import Strength

FloatArray = NDArray[np.float64]


@public_value
@dataclass(frozen=True)
class LinearBias:
    """What a confounder left out of a regression can have done to one slope.

    Everything follows from the slope, its classical standard error and the degrees of freedom. A confounder that
    explains the share r_t of what the covariates leave of the treatment and r_y of what covariates and treatment
    leave of the outcome moves the slope by

        |bias| = se √df √(r_y r_t / (1 − r_t))

    and, once adjusted for, gives it the standard error

        se √((1 − r_y) / (1 − r_t)) √(df / (df − 1)).
    """

    estimate: float
    std_error: float
    df: float

    def __post_init__(self) -> None:
        if not (self.std_error > 0.0 and self.df > 1.0):
            raise InvalidSetting(
                f"std_error is {self.std_error} with {self.df} degrees of freedom; omitted-variable bounds need a "
                "positive standard error and more than one degree of freedom.",
                hint="use fewer covariates or more rows",
            )

    @property
    def cohen_f(self) -> float:
        """Partial Cohen's f of treatment and outcome: |t| / √df."""
        return abs(self.estimate) / self.std_error / float(np.sqrt(self.df))

    @property
    def partial_r2(self) -> float:
        """Share of what the covariates leave of the outcome that the treatment explains."""
        return self.cohen_f**2 / (1.0 + self.cohen_f**2)

    def adjusted(self, treatment: ArrayLike, outcome: ArrayLike) -> FloatArray:
        """The slope moved towards zero (and past it) by a confounder with these two partial R²."""
        t, y = shares(treatment, outcome)
        return self.estimate - direction(self.estimate) * self.std_error * np.sqrt(self.df * y * t / (1.0 - t))

    def adjusted_error(self, treatment: ArrayLike, outcome: ArrayLike) -> FloatArray:
        """The standard error once the confounder were adjusted for."""
        t, y = shares(treatment, outcome)
        return self.std_error * np.sqrt((1.0 - y) / (1.0 - t) * self.df / (self.df - 1.0))

    def interval(
        self, treatment: ArrayLike, outcome: ArrayLike, *, level: float = 0.95
    ) -> tuple[FloatArray, FloatArray]:
        """Confidence limits of the moved slope."""
        centre = self.adjusted(treatment, outcome)
        half = critical_value(level, self.df - 1.0) * self.adjusted_error(treatment, outcome)
        return centre - half, centre + half

    def robustness_value(self, share: float = 1.0) -> float:
        """The partial R² with both treatment and outcome that takes this share of the slope away."""
        return balanced_strength(share * self.cohen_f)

    def robustness_value_significant(self, share: float = 1.0, *, level: float = 0.95) -> float:
        """The least partial R² with both that makes the slope (less this share of it) insignificant.

        Where the confounder explains so much of the outcome that the standard error shrinks, the most harmful one is
        in the interior, r_y < r_t, and the bound follows from its first-order condition.
        """
        f, f_critical = share * self.cohen_f, self._critical_f(level)
        if f <= f_critical:
            return 0.0
        if f * f_critical > 1.0:
            return (f**2 - f_critical**2) / (1.0 + f**2)
        return balanced_strength(f - f_critical)

    def outcome_to_vanish(self, treatment: ArrayLike) -> FloatArray:
        """r_y that takes the slope to zero at each r_t; above 1 where none does."""
        t = np.asarray(treatment, dtype=float)
        return self.cohen_f**2 * (1.0 - t) / t

    def outcome_to_lose_significance(self, treatment: ArrayLike, *, level: float = 0.95) -> FloatArray:
        """The least r_y that makes the slope insignificant at each r_t; above 1 where none does.

        With s = √r_y the condition f √(1 − r_t) − s √r_t = f* √(1 − s²) is quadratic in s.
        """
        t = np.asarray(treatment, dtype=float)
        f_critical = self._critical_f(level)
        a, b = self.cohen_f * np.sqrt(1.0 - t), np.sqrt(t)
        square = b**2 + f_critical**2
        inside = square - a**2
        root = (a * b - f_critical * np.sqrt(np.maximum(inside, 0.0))) / square
        return np.where(inside >= 0.0, np.maximum(root, 0.0) ** 2, np.inf)

    def _critical_f(self, level: float) -> float:
        return float(critical_value(level, self.df - 1.0)) / float(np.sqrt(self.df - 1.0))


def benchmark_bound(observed: Strength, multiple: float) -> Strength:
    """Largest partial R² of a confounder `multiple` times as strong as an observed covariate.

    Args:
        observed: partial R² of the covariate with the treatment, given the other covariates, and with the outcome,
            given treatment and other covariates.
    """
    t, y = observed.treatment, observed.outcome
    on_treatment = multiple * t / (1.0 - t)
    if on_treatment >= 1.0 or multiple * t >= 1.0:
        return Strength(1.0, 1.0)
    # Partial R² of confounder and covariate that adjusting for the treatment brings about.
    induced = multiple * t**2 / ((1.0 - multiple * t) * (1.0 - t))
    if induced >= 1.0:
        return Strength(on_treatment, 1.0)
    eta = (np.sqrt(multiple) + np.sqrt(induced)) / np.sqrt(1.0 - induced)
    return Strength(on_treatment, min(eta**2 * y / (1.0 - y), 1.0))


def balanced_strength(f: float) -> float:
    """The r with r / √(1 − r) = f: equal shares of treatment and outcome that together reach f."""
    return float(np.sqrt(f**4 + 4.0 * f**2) - f**2) / 2.0


def direction(estimate: float) -> float:
    """The side of zero that an estimate is on."""
    return 1.0 if estimate >= 0.0 else -1.0


def shares(treatment: ArrayLike, outcome: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Both strengths as arrays, refused outside their range."""
    t, y = np.asarray(treatment, dtype=float), np.asarray(outcome, dtype=float)
    if np.any(t < 0.0) or np.any(t >= 1.0) or np.any(y < 0.0) or np.any(y > 1.0):
        raise InvalidSetting(
            "A strength lies outside its range; omitted-variable bounds need 0 ≤ treatment < 1 and 0 ≤ outcome ≤ 1.",
            hint="strengths are shares of what is left: 0.1 is 10 %",
        )
    return t, y
