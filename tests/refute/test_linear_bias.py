"""Cinelli and Hazlett's bounds: R's sensemakr on Darfur, and the algebra of least squares itself."""

from __future__ import annotations

import numpy as np
import pytest

import butfor as bf
from butfor.core.errors import InvalidSetting
from butfor.inference.least_squares import least_squares
from butfor.refute.linear_bias import LinearBias, benchmark_bound
from butfor.refute.linear_view import LinearView, Strength
from tests.refute.worlds import confounded, fitted

# sensemakr 0.1.6 (R 4.2.2): peacefactor ~ directlyharmed + age + farmer_dar + herder_dar + pastvoted + hhsize_darfur +
# female + village, its README example. Only what it prints is used: slope, standard error, degrees of freedom.
DARFUR = LinearBias(estimate=0.09731581928, std_error=0.02325653781, df=783.0)


def test_robustness_values_are_those_of_sensemakr() -> None:
    assert DARFUR.cohen_f**2 == pytest.approx(0.02236222436, rel=1e-6)
    assert DARFUR.partial_r2 == pytest.approx(0.02187309334, rel=1e-6)
    assert DARFUR.robustness_value() == pytest.approx(0.1387763539, rel=1e-6)
    assert DARFUR.robustness_value_significant() == pytest.approx(0.07625796554, rel=1e-6)


def test_adjusted_estimates_are_those_of_sensemakr() -> None:
    # A confounder once as strong as `female`: its two partial R², as sensemakr prints them.
    once = (0.009164286675, 0.124640923)
    assert DARFUR.adjusted(*once) == pytest.approx(0.07522027121, rel=1e-6)
    assert DARFUR.adjusted_error(*once) == pytest.approx(0.02187332774, rel=1e-6)
    assert DARFUR.adjusted(*once) / DARFUR.adjusted_error(*once) == pytest.approx(3.43890386, rel=1e-6)


def partial_r2(target: np.ndarray, added: np.ndarray, given: np.ndarray) -> float:
    """By two regressions."""
    base = np.column_stack([np.ones(len(target)), given])

    def left(columns: np.ndarray) -> float:
        residual = target - columns @ np.linalg.lstsq(columns, target, rcond=None)[0]
        return float(residual @ residual)

    return 1.0 - left(np.column_stack([base, added])) / left(base)


def test_adjusting_for_the_confounder_itself_gives_exactly_the_bound() -> None:
    rng = np.random.default_rng(0)
    x, u = rng.normal(size=(120, 2)), rng.normal(size=120)
    t = x[:, 0] + u + rng.normal(size=120)
    y = 0.8 * t + x[:, 1] + 0.7 * u + rng.normal(size=120)
    short, long = (least_squares(t[:, None], y, c) for c in (x, np.column_stack([x, u])))
    errors = [np.sqrt(f.residual @ f.residual / f.df * f.bread[0, 0]) for f in (short, long)]
    bias = LinearBias(float(short.coefficients[0]), float(errors[0]), short.df)
    on_treatment = partial_r2(t, u[:, None], x)
    on_outcome = partial_r2(y, u[:, None], np.column_stack([x, t]))
    assert bias.adjusted(on_treatment, on_outcome) == pytest.approx(float(long.coefficients[0]), rel=1e-10)
    assert bias.adjusted_error(on_treatment, on_outcome) == pytest.approx(float(errors[1]), rel=1e-10)


@pytest.mark.parametrize("bias", [DARFUR, LinearBias(-5.0, 0.5, 20.0), LinearBias(30.0, 1.0, 40.0)])
def test_robustness_values_solve_what_they_define(bias: LinearBias) -> None:
    value = bias.robustness_value()
    assert bias.adjusted(value, value) == pytest.approx(0.0, abs=1e-10)
    assert bias.outcome_to_vanish(value) == pytest.approx(value, rel=1e-10)
    significant = bias.robustness_value_significant()
    # The worst confounder with neither strength above the value has its t statistic exactly at the critical value.
    outcome = np.linspace(0.0, significant, 200_001)
    t = bias.adjusted(significant, outcome) / bias.adjusted_error(significant, outcome) * np.sign(bias.estimate)
    from scipy import stats

    critical = stats.t.ppf(0.975, bias.df - 1.0)
    assert t.min() == pytest.approx(critical, rel=1e-6)
    at = float(bias.outcome_to_lose_significance(significant))
    assert at <= significant + 1e-12
    assert bias.adjusted(significant, at) / bias.adjusted_error(significant, at) * np.sign(
        bias.estimate
    ) == pytest.approx(critical, rel=1e-9)


def test_an_insignificant_effect_has_no_robustness() -> None:
    bias = LinearBias(1.0, 1.0, 50.0)
    assert bias.robustness_value_significant() == 0.0
    assert bias.robustness_value() > 0.0


def test_strengths_of_covariates_are_partial_r2_of_their_columns_together() -> None:
    frame = confounded()
    weights = np.random.default_rng(1).uniform(0.5, 2.0, 400)
    region = np.column_stack([frame["region"] == name for name in ("north", "west")]).astype(float)
    given = np.column_stack([frame["age"], frame["income"]])
    view = LinearView.of(fitted(frame=frame))
    t, y = frame["treatment"], frame["outcome"]
    assert view.strengths["region"].treatment == pytest.approx(partial_r2(t, region, given), rel=1e-9)
    assert view.strengths["region"].outcome == pytest.approx(
        partial_r2(y, region, np.column_stack([given, t])), rel=1e-9
    )
    weighted = LinearView.of(fitted(frame={**frame, "weights": weights}, weights="weights"))
    assert weighted.slope == pytest.approx(
        float(fitted(frame={**frame, "weights": weights}, weights="weights").result.value[0]), rel=1e-10
    )


def test_the_view_of_least_squares_is_least_squares() -> None:
    fit = fitted(bf.OLS(powers=2))
    view = LinearView.of(fit)
    assert view.slope == pytest.approx(float(fit.result.value[0]), rel=1e-10)
    assert view.df == float(fit.result.df)  # pyright: ignore[reportArgumentType]
    assert set(view.strengths) == {"age", "income", "region"}


def test_a_benchmark_bounds_a_confounder_just_like_it() -> None:
    # x and u are exactly orthogonal and play the same part, so u is once as strong as x.
    n = 64
    basis, _ = np.linalg.qr(np.column_stack([np.ones(n), np.random.default_rng(2).normal(size=(n, 5))]))
    _, x, u, v, e, _ = basis.T
    t = x + u + 2.0 * v
    y = t + x + u + 3.0 * e
    observed = Strength(partial_r2(t, x[:, None], np.empty((n, 0))), partial_r2(y, x[:, None], t[:, None]))
    bound = benchmark_bound(observed, 1.0)
    assert bound.treatment == pytest.approx(partial_r2(t, u[:, None], x[:, None]), rel=1e-9)
    assert bound.outcome >= partial_r2(y, u[:, None], np.column_stack([x, t])) - 1e-12


def test_impossible_strengths_are_refused_or_capped() -> None:
    assert benchmark_bound(Strength(0.6, 0.2), 1.0).treatment == 1.0
    with pytest.raises(InvalidSetting, match="strength"):
        DARFUR.adjusted(1.0, 0.5)
    with pytest.raises(InvalidSetting, match="std_error"):
        LinearBias(1.0, 0.0, 10.0)
