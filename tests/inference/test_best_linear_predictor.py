"""Linear predictors of effects and calibration: R's and DoubleML's numbers, the jackknife itself, closed forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import butfor as bf
from butfor.core.errors import ButforError, Collinear, MissingValues, NonNumeric, UnknownColumn
from butfor.inference.best_linear_predictor import project_effects
from tests.estimators.given_predictions import adjusted
from tests.inference.test_group_effects import given, given_arms


def bent() -> dict[str, np.ndarray]:
    x = adjusted()[0]["x"]
    return {"x": x, "x2": x**2}


@pytest.mark.parametrize(
    ("kind", "errors"),
    [
        ("HC0", [0.1161458100155363, 0.1353286479490665, 0.0895103059928662]),
        ("HC1", [0.1164958232952429, 0.1357364700125623, 0.0897800513738138]),
        ("HC2", [0.1173792584686111, 0.1369618588973727, 0.0920717530921519]),
        ("HC3", [0.1187659728651684, 0.1386986546365922, 0.0948843144127289]),
    ],
)
def test_a_quadratic_predictor_is_that_of_doubleml_and_sandwich(kind: str, errors: list[float]) -> None:
    # DoubleML 0.11.4 cate(basis) and R 4.2.2 lm() with sandwich 3.0-2 vcovHC(), on the same scores.
    found = given().best_linear_predictor(bent())
    assert found.labels == ("t: 1 - 0 × intercept", "t: 1 - 0 × x", "t: 1 - 0 × x2")
    assert found.robust == "HC3"
    assert found.df == 497
    assert_allclose(found.value, [0.7504370170093808, 0.8824424045307009, 0.2632860880568077], rtol=1e-11)
    assert_allclose(found.with_inference(covariance=kind).std_error, errors, rtol=1e-10)


def test_clustered_errors_are_those_of_sandwich() -> None:
    # R 4.2.2, sandwich 3.0-2: vcovCL(lm(psi ~ x + I(x^2)), cluster = rep(1:100, each = 5)).
    found = given().best_linear_predictor(bent()).with_inference(cluster=np.repeat(np.arange(100), 5))
    assert_allclose(found.std_error, [0.11706075667161134, 0.13742075822743358, 0.09515248692177486], rtol=1e-10)


def test_calibration_is_the_regression_of_r() -> None:
    # R 4.2.2: lm(psi ~ mean + difference - 1) with vcovHC(type = "HC3").
    found = given().calibration_test(adjusted()[1]["effect"])
    assert found.labels == ("mean effect", "differences of effects")
    assert_allclose(found.value, [1.134952694798533, 1.239676239528650], rtol=1e-11)
    assert_allclose(found.std_error, [0.1052393664852668, 0.1692958272213973], rtol=1e-10)


def test_effects_without_noise_are_calibrated_and_linear() -> None:
    frame = adjusted()[0]
    frame["y"] = frame["x"] + frame["t"] * (3 + 2 * frame["v"])
    aipw = bf.AIPW(outcome_model=bf.LinearModel(), propensity_model=bf.LogisticModel())
    fit = aipw.fit(frame, treatment="t", outcome="y", covariates=["x", "v"])
    assert_allclose(fit.best_linear_predictor("v").value, [3, 2], rtol=0, atol=1e-10)
    assert_allclose(fit.calibration_test(3 + 2 * frame["v"]).value, [1, 1], rtol=0, atol=1e-9)
    assert_allclose(fit.calibration_test(6 + 8 * frame["v"]).value[1], 1 / 4, rtol=0, atol=1e-9)


@pytest.mark.parametrize("estimand", [bf.ATE(), bf.ATT(), bf.ATO()], ids=lambda e: e.label)
def test_an_intercept_alone_is_the_effect(estimand: bf.Estimand) -> None:
    """A basis whose mean over the population is zero leaves the intercept alone."""
    fit = given(estimand)
    x = adjusted()[0]["x"]
    bottom = fit.effect_scores.denominators[0]
    centred = x - bottom @ x / bottom.sum()
    found = fit.best_linear_predictor({"x": centred}).with_inference(covariance="HC0")
    assert_allclose(found.value[0], fit.result.value[0], rtol=1e-12)


@pytest.mark.parametrize("estimand", [bf.ATE(), bf.ATT(), bf.ATC(), bf.ATO()], ids=lambda e: e.label)
def test_hc3_is_the_jackknife(estimand: bf.Estimand) -> None:
    """φ_i / (1 − h_i) / n is what the coefficients move by when row i is left out, for every population."""
    scores = given(estimand).effect_scores
    top, bottom = scores.numerators[0], scores.denominators[0]
    design = np.column_stack([np.ones(500), *bent().values()])
    found = project_effects(design, top, bottom)
    for row in (0, 17, 499):
        kept = np.arange(500) != row
        gram = (design[kept] * bottom[kept, None]).T @ design[kept]
        without = np.linalg.solve(gram, design[kept].T @ top[kept])
        moved = found.influence[row] / (1 - found.leverage[row]) / 500
        assert_allclose(found.value - without, moved, rtol=1e-9, atol=1e-13)


def test_the_predictor_becomes_effects_at_points_with_bands() -> None:
    found = given().best_linear_predictor(bent())
    points = np.linspace(-1, 1, 5)
    design = np.column_stack([np.ones(5), points, points**2])
    curve = found.contrast(design, [f"x = {p:g}" for p in points])
    assert_allclose(curve.value, design @ found.value, rtol=1e-12)
    assert_allclose(curve.covariance, design @ found.covariance @ design.T, rtol=1e-9)
    assert np.all(curve.bands()[:, 1] > curve.interval()[:, 1])


def test_a_large_mean_costs_no_digits() -> None:
    x = adjusted()[0]["x"]
    near, far = given().best_linear_predictor({"x": x}), given().best_linear_predictor({"x": x + 1e7})
    assert_allclose(far.value[1], near.value[1], rtol=1e-7)
    assert_allclose(far.std_error[1], near.std_error[1], rtol=1e-7)


def test_every_contrast_has_its_coefficients() -> None:
    found = given_arms().best_linear_predictor("v")
    assert found.labels == tuple(f"arm: {a} - 0 × {c}" for a in (1, 2) for c in ("intercept", "v"))
    alone = given_arms(contrast=(2, 0)).best_linear_predictor("v")
    assert_allclose(found.value[2:], alone.value, rtol=1e-12)
    assert_allclose(found.std_error[2:], alone.std_error, rtol=1e-12)


def test_categories_stand_for_their_indicators() -> None:
    frame = adjusted()[0] | {"region": np.tile(["a", "b", "c", "d", "b"], 100)}
    aipw = bf.AIPW(outcome_model=bf.LinearModel(), propensity_model=bf.LogisticModel())
    fit = aipw.fit(frame, treatment="t", outcome="y", covariates=["x", "region"])
    slopes = fit.best_linear_predictor("region")
    means = fit.group_effects({"region": frame["region"]})
    assert_allclose(slopes.value, [means.value[0], *(means.value[1:] - means.value[0])], rtol=1e-10)


CASES: list[tuple[Any, type[ButforError]]] = [
    (lambda fit: fit.best_linear_predictor("nobody"), UnknownColumn),
    (lambda fit: fit.best_linear_predictor({"one": np.ones(500)}), Collinear),
    (lambda fit: fit.best_linear_predictor({"a": np.arange(500.0), "b": 2 * np.arange(500.0) + 1}), Collinear),
    (lambda fit: fit.best_linear_predictor({"g": np.repeat(["a", "b"], 250)}), NonNumeric),
    (lambda fit: fit.best_linear_predictor({"g": np.full(500, np.nan)}), MissingValues),
    (lambda fit: fit.best_linear_predictor({"g": np.r_[np.inf, np.arange(499.0)]}), ButforError),
    (lambda fit: fit.calibration_test(np.ones(500)), Collinear),
    (lambda fit: fit.calibration_test(np.zeros(500)), Collinear),
    (lambda fit: fit.calibration_test(np.ones((500, 2))), ButforError),
]


@pytest.mark.parametrize(("ask", "error"), CASES)
def test_what_has_no_answer_is_refused(ask: Any, error: type[ButforError]) -> None:
    with pytest.raises(error) as caught:
        ask(given())
    assert caught.value.hint
