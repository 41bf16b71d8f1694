"""For whom an instrument's effect is large: groups, lines, calibration, against two-stage least squares."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from linearmodels.iv import IV2SLS
from numpy.testing import assert_allclose

import butfor as bf
from butfor.core.errors import MethodMismatch
from tests.estimators.given_predictions import instrumented
from tests.estimators.test_instrumental import DOSES, INTERACTIVE, interactive_of_given, partial_of_given


def left_over() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What the given predictions leave of outcome, dose and instrument, and the covariate."""
    frame, predictions = instrumented()
    parts = [frame[c] - predictions[p] for c, p in (("y", "outcome"), ("dose", "dose"))]
    chance = predictions["instrument"]
    return *parts, frame["z"] - (chance[:, 1] if chance.ndim == 2 else chance), frame["x"]


def test_a_line_is_two_stage_least_squares_of_what_the_covariates_leave() -> None:
    outcome, dose, instrument, x = left_over()
    basis = np.column_stack([np.ones(len(x)), x])
    theirs = IV2SLS(outcome, None, dose[:, None] * basis, instrument[:, None] * basis).fit(cov_type="robust")
    ours = partial_of_given().best_linear_predictor("x").with_inference(covariance="HC0")
    assert_allclose(ours.value, theirs.params.to_numpy(), rtol=1e-8)
    assert_allclose(ours.std_error, theirs.std_errors.to_numpy(), rtol=1e-8)


def test_the_effect_of_a_group_is_the_ratio_of_its_moments() -> None:
    fit = partial_of_given()
    outcome, dose, instrument, x = left_over()
    above = x > 0
    found = fit.group_effects({"above": above})
    assert_allclose(found.value[0], (instrument * outcome)[above].sum() / (instrument * dose)[above].sum(), rtol=1e-10)


def test_groups_of_the_interactive_model_are_those_of_its_modifiers() -> None:
    frame, _ = instrumented()
    fit = interactive_of_given()
    x = np.asarray(frame["x"])
    found = fit.group_effects({"below": x <= 0, "above": x > 0})
    scores = fit.effect_scores
    for group, rows in enumerate((x <= 0, x > 0)):
        top, bottom = (part[0][rows].mean() for part in (scores.numerators, scores.denominators))
        assert_allclose(found.value[group], top / bottom, rtol=1e-12)
    share = [scores.denominators[0][rows].sum() for rows in (x <= 0, x > 0)]
    assert_allclose(np.average(found.value, weights=share), fit.result.value[0], rtol=1e-10)


def test_an_instrument_that_keeps_from_the_treatment_says_the_same() -> None:
    rng = np.random.default_rng(0)
    x, hidden = rng.normal(size=(2, 800))
    z = rng.integers(0, 2, 800)
    dose = x + z + hidden
    frame: dict[str, Any] = {"x": x, "dose": dose, "y": (1 + x) * dose + hidden, "z": z.astype(float), "not_z": 1.0 - z}
    roles = {"treatment": "dose", "outcome": "y", "covariates": ["x"]}
    method = replace(DOSES, instrument_model=bf.LogisticModel())
    one, two = (method.fit(frame, instrument=name, **roles).best_linear_predictor("x") for name in ("z", "not_z"))
    assert_allclose(one.value, two.value, rtol=1e-6)
    assert_allclose(one.std_error, two.std_error, rtol=1e-6)


def test_a_line_of_effects_is_found_with_learned_nuisances() -> None:
    rng = np.random.default_rng(3)
    x, hidden = rng.normal(size=(2, 4000))
    offered = rng.integers(0, 2, 4000)
    taken = ((hidden + rng.normal(size=4000) > 0) & (offered == 1)).astype(int)
    frame = {"x": x, "z": offered, "t": taken, "y": taken * (1 + 2 * x) + x + hidden}
    fit = INTERACTIVE.fit(frame, treatment="t", outcome="y", instrument="z", covariates=["x"])
    line = fit.best_linear_predictor("x")
    assert np.all(np.abs(line.value - [1, 2]) < 4 * line.std_error)


def test_means_of_arms_need_another_method() -> None:
    with pytest.raises(MethodMismatch, match="means of arms"):
        partial_of_given().potential_means()
    assert isinstance(partial_of_given(), bf.Fit)
