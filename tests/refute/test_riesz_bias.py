"""Omitted-variable bounds for machine-learned effects."""

from __future__ import annotations

import numpy as np
import pytest

import butfor as bf
from butfor.refute.linear_bias import LinearBias
from butfor.refute.linear_view import LinearView
from butfor.refute.riesz_bias import RieszBias
from tests.refute.worlds import confounded, fitted, linear_aipw


def test_least_squares_gives_the_bounds_of_cinelli_and_hazlett() -> None:
    fit = fitted()
    view = LinearView.of(fit)
    linear, riesz = LinearBias(view.slope, view.std_error, view.df), RieszBias.of(fit)
    assert riesz.adjusted(0.1, 0.2) == pytest.approx(float(linear.adjusted(0.1, 0.2)), rel=1e-9)
    assert riesz.robustness_value() == pytest.approx(linear.robustness_value(), rel=1e-9)
    assert riesz.outcome_to_vanish(0.3) == pytest.approx(float(linear.outcome_to_vanish(0.3)), rel=1e-9)


def test_without_confounding_nothing_changes() -> None:
    fit = fitted(linear_aipw())
    bias = RieszBias.of(fit)
    assert bias.adjusted(0.0, 0.5) == pytest.approx(float(fit.result.value[0]))
    assert bias.std_error == pytest.approx(float(fit.result.std_error[0]), rel=1e-9)
    low, high = bias.outer_interval(0.3, 0.0)
    assert (float(low), float(high)) == pytest.approx(tuple(fit.result.interval()[0]), rel=1e-9)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_robustness_values_solve_what_they_define(sign: float) -> None:
    frame = confounded()
    frame["outcome"] = sign * frame["outcome"]
    bias = RieszBias.of(fitted(linear_aipw(), frame))
    value, significant = bias.robustness_value(), bias.robustness_value_significant()
    assert bias.adjusted(value, value) == pytest.approx(0.0, abs=1e-12)
    limit = bias.interval(significant, significant)[0 if sign > 0 else 1]
    assert limit == pytest.approx(0.0, abs=1e-10)
    assert 0.0 < significant < value
    assert bias.outcome_to_lose_significance(significant) == pytest.approx(significant, rel=1e-9)
    low, high = bias.bounds(0.1, 0.1)
    assert float(low if sign > 0 else high) == pytest.approx(float(bias.adjusted(0.1, 0.1)))


def test_the_error_of_a_bound_is_its_scatter_over_samples() -> None:
    # Effect and noise move together, so that the sign of their covariance decides the error of the bound.
    moved: list[float] = []
    variance: list[float] = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=400)
        t = (rng.random(400) < 1.0 / (1.0 + np.exp(-0.5 * x))).astype(float)
        y = 2.0 * t * x**2 + rng.normal(size=400)
        frame = {"t": t, "x": x, "y": y}
        bias = RieszBias.of(bf.Lin().fit(frame, treatment="t", outcome="y", covariates=["x"]))
        moved.append(float(bias.adjusted(0.5, 0.5)))
        variance.append(float(bias.adjusted_error(0.5, 0.5)) ** 2)
    # A standard deviation of 300 draws is known to 4 %; the heavy tails of squares double that.
    assert np.sqrt(np.mean(variance)) == pytest.approx(np.std(moved), rel=0.2)


def test_weights_that_repeat_rows_change_nothing() -> None:
    frame = confounded(n=200)
    copies = np.random.default_rng(0).integers(1, 4, 200)
    repeated = {name: np.repeat(column, copies) for name, column in frame.items()}
    weighted = RieszBias.of(fitted(frame={**frame, "copies": copies.astype(float)}, weights="copies"))
    plain = RieszBias.of(fitted(frame=repeated))
    assert weighted.residual_variance == pytest.approx(plain.residual_variance, rel=1e-9)
    assert weighted.riesz_variance == pytest.approx(plain.riesz_variance, rel=1e-9)


def test_the_bounds_survive_json() -> None:
    bias = RieszBias.of(fitted(linear_aipw()))
    again = bf.from_json(bf.to_json(bias))
    assert float(again.adjusted_error(0.1, 0.1)) == float(bias.adjusted_error(0.1, 0.1))
