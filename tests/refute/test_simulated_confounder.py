"""Simulated confounder: exact strengths, and the omitted-variable formula to the last digit."""

from __future__ import annotations

import numpy as np
import pytest

import butfor as bf
from butfor.core.errors import InvalidSetting
from butfor.refute.linear_bias import LinearBias
from butfor.refute.linear_view import LinearView, Strength
from butfor.refute.refutation import Verdict
from butfor.refute.simulated_confounder import SimulatedConfounder, draw_confounder
from tests.refute.test_linear_bias import partial_r2
from tests.refute.worlds import confounded, fitted, linear_aipw


def test_the_confounder_has_exactly_the_stated_strength() -> None:
    frame = confounded()
    fit = fitted(frame=frame)
    hidden = draw_confounder(LinearView.of(fit), Strength(0.12, 0.3), 1.0, np.random.default_rng(0))
    matrix = fit.sample.covariates.matrix
    t, y = frame["treatment"], frame["outcome"]
    assert partial_r2(t, hidden[:, None], matrix) == pytest.approx(0.12, rel=1e-9)
    assert partial_r2(y, hidden[:, None], np.column_stack([matrix, t])) == pytest.approx(0.3, rel=1e-9)


@pytest.mark.parametrize("effect", [1.0, -1.0])
def test_least_squares_moves_as_the_formula_says(effect: float) -> None:
    fit = fitted(frame=confounded(effect=effect))
    view = LinearView.of(fit)
    bias = LinearBias(view.slope, view.std_error, view.df)
    result = SimulatedConfounder(strengths=(0.05, 0.2)).refute(fit, rng=1)
    assert result.table is not None
    assert len(result.table) == 4
    for row in result.table:
        expected = bias.adjusted(float(row["treatment_strength"] or 0), float(row["outcome_strength"] or 0))
        assert row["estimate"] == pytest.approx(float(expected), rel=1e-8)
    assert result.p_value is None


def test_weighted_least_squares_moves_as_the_formula_says() -> None:
    frame = {**confounded(), "weight": np.random.default_rng(1).uniform(0.5, 2.0, 400)}
    fit = fitted(frame=frame, weights="weight")
    view = LinearView.of(fit)
    result = SimulatedConfounder(strengths=(0.1,)).refute(fit, rng=1)
    expected = LinearBias(view.slope, view.std_error, view.df).adjusted(0.1, 0.1)
    assert result.refuted_estimate == pytest.approx(float(expected), rel=1e-8)


def test_a_strong_effect_survives_and_a_weak_one_does_not() -> None:
    strong = SimulatedConfounder().refute(fitted(frame=confounded(effect=2.0)), rng=1)
    assert strong.verdict is Verdict.PASSED
    assert "as strong as 'age'" in strong.words
    # Least squares is linear in the outcome: this effect makes the estimate 0.1, less than a standard error.
    faint = 1.1 - float(fitted().result.value[0])
    weak = SimulatedConfounder().refute(fitted(frame=confounded(effect=faint)), rng=1)
    assert weak.verdict is Verdict.INCONCLUSIVE
    assert "vanishes at about 0." in weak.words
    assert weak.figure is not None


def test_a_doubly_robust_fit_moves_about_as_far() -> None:
    linear = SimulatedConfounder(strengths=(0.05,)).refute(fitted(), rng=1)
    robust = SimulatedConfounder(strengths=(0.05,)).refute(fitted(linear_aipw()), rng=1)
    shift = linear.refuted_estimate - linear.estimate
    assert robust.refuted_estimate - robust.estimate == pytest.approx(shift, rel=0.5)


def test_without_covariates_there_are_fixed_strengths() -> None:
    result = SimulatedConfounder().refute(fitted(covariates=[]), rng=1)
    assert result.simulations == 9
    assert "shares" in result.words


def test_settings_outside_their_range_are_refused() -> None:
    for wrong in ({"multiples": ()}, {"multiples": (-1.0,)}, {"strengths": (1.0,)}, {"strengths": ()}):
        with pytest.raises(InvalidSetting):
            SimulatedConfounder(**wrong)  # pyright: ignore[reportArgumentType]


def test_the_callers_fit_is_untouched() -> None:
    fit = fitted(bf.IPW())
    before = fit.sample.covariates.matrix.copy()
    first = SimulatedConfounder(multiples=(1.0,)).refute(fit, rng=3)
    assert first == SimulatedConfounder(multiples=(1.0,)).refute(fit, rng=3)
    assert np.array_equal(fit.sample.covariates.matrix, before)
