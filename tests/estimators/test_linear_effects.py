"""Linear effects: least squares on residuals, other packages on the same residuals, laws, refusals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose
from sklearn.tree import DecisionTreeRegressor

import butfor as bf
from butfor.core.errors import ButforError, Collinear, InvalidSetting, MethodMismatch, UnknownColumn
from butfor.estimators.orthogonal.linear_effects import LinearEffects
from tests.estimators.given_predictions import adjusted, instrumented

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


# --- the same numbers from elsewhere ---------------------------------------------------------------------------------


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


AT = {"x": [0.0, 1.0], "v": [0.0, -0.5]}


def _given(outcome: np.ndarray, treatment: np.ndarray) -> LinearEffects:
    given: dict[str, Any] = {"outcome_model": bf.OutOfFold(outcome), "treatment_model": bf.OutOfFold(treatment)}
    return LinearEffects(covariance="HC1", **given)  # type: ignore[arg-type]


def test_two_arms_as_in_econml() -> None:
    """EconML 0.17.0, LinearDML whose models return the given columns: effects at two points and their errors."""
    frame, given = adjusted()
    outcome = np.sum(given["propensity"] * given["outcome by treatment"], axis=1)
    lines = _given(outcome, given["propensity"])
    fit: Any = lines.fit(frame, treatment="t", outcome="y", covariates=["x", "v"])
    table = fit.effect(AT)
    assert_allclose(table.value[:, 0], [0.995066362866681, 2.148053663469486], rtol=0, atol=1e-10)
    assert_allclose(table.std_error[:, 0], [0.104353911883197, 0.211685751735641], rtol=0, atol=1e-10)
    assert_allclose(fit.slopes.value[1:], [1.065233988304019, -0.175506624597571], rtol=0, atol=1e-10)
    assert_allclose(fit.slopes.std_error[1:], [0.15689869148679, 0.186016991754704], rtol=0, atol=1e-10)
    # EconML's error of the average takes the covariates as fixed; ours adds that they are a sample.
    assert_allclose(fit.estimate().value, [1.1322948164798905], rtol=0, atol=1e-10)
    assert fit.estimate().std_error[0] > 0.10526396336338142


def test_three_arms_as_in_econml() -> None:
    frame, given = adjusted()
    outcome = np.sum(given["propensity of arms"] * given["outcome by arm"], axis=1)
    lines = _given(outcome, given["propensity of arms"])
    roles: dict[str, Any] = {"treatment": "arm", "outcome": "w", "covariates": ["x", "v"], "arms": True}
    found = lines.fit(frame, **roles).effect(AT)  # type: ignore[attr-defined]
    assert_allclose(found.value[0], [1.03877082554332, 2.116488970592381], rtol=0, atol=1e-10)
    assert_allclose(found.value[1], [0.325063585944106, 0.870691595956857], rtol=0, atol=1e-10)
    assert_allclose(found.std_error[0], [0.118096596918465, 0.132312841633596], rtol=0, atol=1e-10)
    assert_allclose(found.std_error[1], [0.220404255588741, 0.222068140476555], rtol=0, atol=1e-10)
    between = lines.fit(frame, contrast=(2, 1), **roles).effect(AT)  # type: ignore[attr-defined]
    assert_allclose(between.value[:, 0], [1.07771814504906, 0.545628010012751], rtol=0, atol=1e-10)
    assert_allclose(between.std_error[:, 0], [0.121595012840807, 0.183851597418344], rtol=0, atol=1e-10)


def test_a_dose_as_in_econml() -> None:
    frame, given = instrumented()
    fit: Any = _given(given["outcome"], given["dose"]).fit(frame, treatment="dose", outcome="y", covariates=["x"])
    found = fit.effect({"x": [0.0, 1.0]})
    assert_allclose(found.value[:, 0], [1.36678379801401, 1.286487547332668], rtol=0, atol=1e-10)
    assert_allclose(found.std_error[:, 0], [0.037519541293108, 0.050928785127827], rtol=0, atol=1e-10)
    assert fit.slopes.labels == ("dose × intercept", "dose × x")


# --- averages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["binary", "arms", "amount"])
def test_the_average_is_that_of_the_units_also_in_subgroups(kind: str) -> None:
    frame = world(kind=kind)
    models = DOSE if kind == "amount" else ARMS
    fit: Any = LinearEffects(**models).fit(frame, arms=kind == "arms", modifiers=["group"], weights="w", **ROLES)
    effects, estimate = fit.effect().value, fit.estimate()
    terms = effects.shape[1]
    for j, rows in enumerate((np.ones(300, dtype=bool), frame["group"] == "a", frame["group"] == "b")):
        expected = np.average(effects[rows], axis=0, weights=frame["w"][rows])
        assert_allclose(estimate.value[j * terms : (j + 1) * terms], expected, rtol=0, atol=1e-9)
    assert estimate.labels[terms].endswith(" | group = a")


def test_the_average_for_the_treated_weighs_units_by_their_propensity() -> None:
    """Σ e τ + (t − e) τ = Σ t τ: the treated themselves."""
    frame = world()
    fit: Any = LinearEffects(**ARMS).fit(frame, estimand=bf.ATT(), **ROLES)
    assert_allclose(fit.estimate().value, fit.effect().value[frame["t"] == 1].mean(axis=0), rtol=0, atol=1e-9)
    assert fit.estimate().estimand == bf.ATT()


def test_the_influence_of_the_average_is_the_slopes_and_the_sample_together() -> None:
    """φ = φ_β'b̄ + (τ(x) − τ̄)."""
    frame = world()
    fit: Any = LinearEffects(**ARMS).fit(frame, **ROLES)
    effects = fit.effect().value[:, 0]
    expected = fit.slopes.influence @ design(frame).mean(axis=0) + effects - effects.mean()
    assert_allclose(fit.estimate().influence[:, 0], expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("kind", ["binary", "amount"])
def test_the_representer_gives_the_average_from_what_is_left_of_the_outcome(kind: str) -> None:
    frame = world(kind=kind)
    fit: Any = LinearEffects(**(DOSE if kind == "amount" else ARMS)).fit(frame, **ROLES)
    outcome, _, _ = residuals(frame, kind)
    assert_allclose((fit.riesz[:, 0] * outcome).mean(), fit.estimate().value[0], rtol=0, atol=1e-9)


def test_residuals_are_at_right_angles_to_the_representer() -> None:
    frame = world(kind="arms")
    fit: Any = LinearEffects(**ARMS).fit(frame, arms=True, weights="w", modifiers=["group"], **ROLES)
    assert fit.riesz.shape == (300, 2)
    assert_allclose((fit.riesz * fit.residual).mean(axis=0), 0.0, rtol=0, atol=1e-9)


# --- powers ----------------------------------------------------------------------------------------------------------


def test_squares_of_covariates_and_of_the_dose_are_found_exactly_without_noise() -> None:
    """y = d (1 + x²) + d² x, models are means of each of four values of x: a step from s brings 1 + x² + (2s + 1) x.

    What the mean of a cell leaves of y is β'(what it leaves of the powers of d), whichever rows the mean is taken over.
    """
    rng = np.random.default_rng(3)
    x = rng.integers(0, 4, 400).astype(float)
    dose = rng.normal(2.0, 1.0, 400)
    frame = {"dose": dose, "x": x, "y": dose * (1 + x**2) + dose**2 * x}
    cells: dict[str, Any] = {"outcome_model": DecisionTreeRegressor(), "treatment_model": DecisionTreeRegressor()}
    lines = LinearEffects(powers=2, dose_powers=2, **cells)
    fit: Any = lines.fit(frame, treatment="dose", outcome="y", covariates=["x"])
    for start in (0.0, 2.0):
        table = fit.effect({"x": [0.0, 1.0, 3.0]}, dose=start)
        assert_allclose(table.value[:, 0], [1.0, 2 + 2 * start + 1, 10 + 3 * (2 * start + 1)], rtol=0, atol=1e-8)
    assert fit.slopes.labels[:3] == ("dose × intercept", "dose × x", "dose × x^2")
    assert fit.slopes.labels[3:] == ("dose^2 × intercept", "dose^2 × x", "dose^2 × x^2")
    average = np.mean(1 + x**2 + (2 * dose + 1) * x)
    assert_allclose(fit.estimate().value, [average], rtol=0, atol=1e-8)
    halves = lines.fit(frame, treatment="dose", outcome="y", covariates=["x"], contrast=(1.5, 1.0))
    assert_allclose(halves.estimate().value, [np.mean(0.5 * (1 + x**2) + (dose + 0.25) * x)], rtol=0, atol=1e-8)


def test_covariates_that_are_not_named_are_adjusted_for_all_the_same() -> None:
    frame = world()
    fit: Any = LinearEffects(along="x1", **ARMS).fit(frame, **ROLES)  # type: ignore[arg-type]
    assert fit.slopes.labels == ("t: 1 - 0 × intercept", "t: 1 - 0 × x1")
    outcome, treatment, _ = residuals(frame, "binary")
    expected = sm.OLS(outcome, treatment * design(frame)[:, :2]).fit()
    assert_allclose(fit.slopes.value, expected.params, rtol=0, atol=1e-9)


# --- laws and refusals -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["binary", "arms", "amount"])
def test_effects_do_not_depend_on_the_order_of_rows_nor_on_units(kind: str) -> None:
    frame, new = world(kind=kind), world(30, kind, seed=1)
    models, arms = (DOSE if kind == "amount" else ARMS), kind == "arms"
    one: Any = LinearEffects(**models).fit(frame, arms=arms, **ROLES)
    order = np.random.default_rng(1).permutation(300)
    two: Any = LinearEffects(**models).fit({k: v[order] for k, v in frame.items()}, arms=arms, **ROLES)
    assert_allclose(two.effect(new).value, one.effect(new).value, rtol=0, atol=1e-8)
    assert_allclose(two.effect(new).std_error, one.effect(new).std_error, rtol=0, atol=1e-8)
    scaled = {"y": 1000 * frame["y"] + 5, "x1": frame["x1"] * 1e-3 + 1e6}
    three: Any = LinearEffects(**models).fit(frame | scaled, arms=arms, **ROLES)
    table = three.effect(new | {"x1": new["x1"] * 1e-3 + 1e6})
    assert_allclose(table.value, 1000 * one.effect(new).value, rtol=0, atol=1e-2)
    assert_allclose(table.std_error, 1000 * one.effect(new).std_error, rtol=0, atol=1e-2)


def test_repeated_splits_are_the_median_of_the_slopes() -> None:
    frame = world()
    fit: Any = LinearEffects(repetitions=3, **ARMS).fit(frame, **ROLES)
    assert fit.slopes.splitting is not None
    assert_allclose(fit.effect().value[:, 0], design(frame) @ fit.slopes.value, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("settings", "data", "roles", "error"),
    [
        ({"along": ("income",)}, {}, {}, UnknownColumn),
        ({}, {}, {"covariates": []}, InvalidSetting),
        ({}, {"t": np.linspace(0, 1, 300)}, {"estimand": bf.ATT()}, MethodMismatch),
        ({"treatment_model": bf.LinearModel()}, {"t": 2 * world()["x1"] + 1}, {}, Collinear),
        ({}, {"x2": 3.0 * world()["x1"]}, {}, Collinear),
        (
            {"treatment_model": bf.OutOfFold(np.zeros(300)), "dose_powers": 2},
            {"t": np.linspace(0, 1, 300)},
            {},
            InvalidSetting,
        ),
    ],
)
def test_every_refusal_has_its_error_and_a_hint(
    settings: dict[str, Any], data: Frame, roles: dict[str, Any], error: type[ButforError]
) -> None:
    with pytest.raises(error) as caught:
        LinearEffects(**(ARMS | settings)).fit(world() | data, **(ROLES | roles))
    assert caught.value.hint


@pytest.mark.parametrize("wrong", [{"powers": 0}, {"dose_powers": 6}, {"folds": 1}, {"repetitions": 0}])
def test_settings_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidSetting):
        LinearEffects(**wrong)


def test_a_fit_without_slopes_says_so() -> None:
    fit: Any = LinearEffects(**ARMS).fit(world(), **ROLES)
    with pytest.raises(MethodMismatch):
        replace(fit, centred=None).effect()
