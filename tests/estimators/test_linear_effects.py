"""Linear effects: least squares on residuals, other packages on the same residuals, laws, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose

import butfor as bf
from butfor.core.errors import ButforError, Collinear, InvalidSetting, MethodMismatch, UnknownColumn
from butfor.estimators.orthogonal.linear_effects import LinearEffects

Frame = dict[str, np.ndarray]
ROLES: dict[str, Any] = {"treatment": "t", "outcome": "y", "covariates": ["x1", "x2", "group"]}
ARMS: dict[str, Any] = {"outcome_model": bf.LinearModel(), "treatment_model": bf.LogisticModel()}
DOSE: dict[str, Any] = {"outcome_model": bf.LinearModel(), "treatment_model": bf.LinearModel()}


def world(n: int = 300, kind: str = "binary", seed: int = 0) -> Frame:
    rng = np.random.default_rng(seed)
    x1, x2 = rng.normal(3.0, 1.0, n), rng.normal(size=n)
    group = rng.choice(["a", "b"], n)
    push = 0.5 * (x1 - 3) + rng.logistic(size=n)
    t = {"binary": (push > 0).astype(int), "arms": np.digitize(push, [-1, 1]), "amount": push}[kind]
    y = x1 + x2**2 + t * (1 + x1 - 0.5 * (group == "b")) + rng.normal(size=n) * (1 + np.abs(x2))
    weights = rng.integers(1, 4, n).astype(float)
    return {"t": t, "y": y, "x1": x1, "x2": x2, "group": group, "w": weights}


def design(frame: Frame) -> np.ndarray:
    return np.column_stack([np.ones(len(frame["y"])), frame["x1"], frame["x2"], frame["group"] == "b"]).astype(float)


def residuals(frame: Frame, kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of outcome (n) and treatment (n × d) out of the folds of PartiallyLinear, and the treatment's prediction."""
    models = DOSE if kind == "amount" else ARMS
    plr = bf.PartiallyLinear(**models).fit(frame, arms=kind == "arms", **ROLES)
    assert plr.residual is not None
    if plr.propensity is None:
        assert plr.riesz is not None
        treatment = plr.riesz / np.mean(plr.riesz**2)
    else:
        treatment = (frame["t"][:, None] == np.arange(1, plr.propensity.shape[1])) - plr.propensity[:, 1:]
    return plr.residual[:, 0] + treatment @ plr.estimate().value, treatment, frame["t"][:, None] - treatment


def interacted(treatment: np.ndarray, basis: np.ndarray) -> np.ndarray:
    return np.column_stack([treatment[:, [j]] * basis for j in range(treatment.shape[1])])


# --- the same numbers from elsewhere -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["binary", "arms", "amount"])
@pytest.mark.parametrize("robust", ["HC0", "HC1", "HC2", "HC3"])
def test_slopes_are_those_of_least_squares_on_the_residuals(kind: str, robust: str) -> None:
    """statsmodels' OLS with the same heteroskedasticity-robust covariance."""
    frame = world(kind=kind)
    outcome, treatment, _ = residuals(frame, kind)
    expected = sm.OLS(outcome, interacted(treatment, design(frame))).fit(cov_type=robust)
    models = DOSE if kind == "amount" else ARMS
    fit: Any = LinearEffects(covariance=robust, **models).fit(frame, arms=kind == "arms", **ROLES)
    assert_allclose(fit.slopes.value, expected.params, rtol=0, atol=1e-9)
    assert_allclose(fit.slopes.covariance, expected.cov_params(), rtol=0, atol=1e-9)


def test_weighted_slopes_are_those_of_weighted_least_squares() -> None:
    frame = world()
    fit: Any = LinearEffects(covariance="HC0", **ARMS).fit(frame, weights="w", **ROLES)  # type: ignore[arg-type]
    plr = bf.PartiallyLinear(**ARMS).fit(frame, weights="w", **ROLES)
    treatment = frame["t"] - plr.propensity[:, 1]  # type: ignore[index]
    outcome = plr.residual[:, 0] + treatment * plr.estimate().value[0]  # type: ignore[index]
    expected = sm.WLS(outcome, treatment[:, None] * design(frame), weights=frame["w"]).fit(cov_type="HC0")
    assert_allclose(fit.slopes.value, expected.params, rtol=0, atol=1e-9)
    assert_allclose(fit.slopes.std_error, expected.bse, rtol=1e-9)


def test_clustered_slopes_have_statsmodels_covariance() -> None:
    frame = world(kind="amount") | {"c": np.arange(300) // 6}
    fit: Any = LinearEffects(**DOSE).fit(frame, cluster="c", **ROLES)
    plr = bf.PartiallyLinear(**DOSE).fit(frame, cluster="c", **ROLES)
    columns = plr.riesz / np.mean(plr.riesz**2) * design(frame)  # type: ignore[operator]
    outcome = fit.residual[:, 0] + columns @ fit.slopes.value
    expected = sm.OLS(outcome, columns).fit(cov_type="cluster", cov_kwds={"groups": frame["c"]})
    assert_allclose(fit.slopes.std_error, expected.bse, rtol=1e-8)


@pytest.mark.parametrize("kind", ["binary", "amount"])
def test_effects_of_units_are_points_of_the_line_with_the_delta_method(kind: str) -> None:
    frame, new = world(kind=kind), world(40, kind, seed=1)
    fit: Any = LinearEffects(**(DOSE if kind == "amount" else ARMS)).fit(frame, **ROLES)
    table = fit.effect(new)
    at = design(new)
    assert_allclose(table.value[:, 0], at @ fit.slopes.value, rtol=0, atol=1e-9)
    expected = fit.slopes.contrast(at, [str(j) for j in range(40)])
    assert_allclose(table.std_error[:, 0], expected.std_error, rtol=1e-9)
    assert fit.effect().value.shape == (300, 1)
    assert table.labels == (("t: +1",) if kind == "amount" else ("t: 1 - 0",))
