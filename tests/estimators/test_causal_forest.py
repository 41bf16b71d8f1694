"""The causal forest: closed forms, no leakage, laws and refusals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit

import butfor as bf
from butfor.core.errors import (
    ButforError,
    Collinear,
    ConstantColumn,
    EmptyArm,
    InvalidSetting,
    MethodMismatch,
    MissingValues,
    NonNumeric,
    SeparatedPropensity,
    TooFewRows,
    UnknownColumn,
)
from butfor.estimators.forest.causal import CausalForest
from butfor.estimators.forest.fit import ForestFit

Frame = dict[str, np.ndarray]
COVARIATES = ["x1", "x2"]
ROLES: dict[str, Any] = {"treatment": "t", "outcome": "y", "covariates": COVARIATES}
LINEAR: dict[str, Any] = {"outcome_model": bf.LinearModel(), "treatment_model": bf.LogisticModel()}
FOREST = CausalForest(trees=200, **LINEAR)
PLAIN = replace(FOREST, slopes=0)


def world(n: int = 400, seed: int = 0) -> Frame:
    """Confounded by x1; the effect is 1 + x1, the outcome noisy."""
    rng = np.random.default_rng(seed)
    x1, x2 = rng.normal(size=(2, n))
    t = (rng.random(n) < expit(0.7 * x1)).astype(int)
    y = x1 + 0.5 * x2 + t * (1.0 + x1) + rng.normal(size=n)
    unit = rng.permutation(n)
    return {"t": t, "y": y, "x1": x1, "x2": x2, "unit": unit, "household": unit // 4}


def given(frame: Frame, gain: np.ndarray, **settings: Any) -> tuple[Frame, CausalForest]:
    """A frame whose outcome is m(x) + (t − e(x)) · gain without noise, and a forest that is told m and e."""
    mean, chance = np.sin(frame["x1"]), expit(0.7 * frame["x1"])
    known = CausalForest(outcome_model=bf.OutOfFold(mean), treatment_model=bf.OutOfFold(chance), **settings)
    return frame | {"y": mean + (frame["t"] - chance) * gain}, known


def fit(forest: CausalForest, frame: Frame, **settings: Any) -> ForestFit:
    found = forest.fit(frame, **(ROLES | settings))
    assert isinstance(found, ForestFit)
    return found


def centred(found: ForestFit) -> tuple[np.ndarray, np.ndarray]:
    """What is left of outcome and treatment."""
    assert found.outcome_residual is not None
    assert found.treatment_residual is not None
    return found.outcome_residual, found.treatment_residual


# --- closed forms ----------------------------------------------------------------------------------------------------


def test_a_constant_effect_without_noise_is_found_everywhere() -> None:
    frame, forest = given(world(), np.full(400, 2.5), trees=100)
    found = fit(forest, frame)
    assert_allclose(found.effect().value, 2.5, rtol=0, atol=1e-9)
    assert_allclose(found.effect({"x1": [-3.0, 0.0, 9.0], "x2": [0.0, 1.0, 2.0]}).value, 2.5, rtol=0, atol=1e-9)
    assert_allclose(found.effect().std_error, 0.0, rtol=0, atol=1e-6)
    assert_allclose(found.estimate().value, 2.5, rtol=0, atol=1e-9)
    assert_allclose(found.estimate().std_error, 0.0, rtol=0, atol=1e-9)


def test_a_constant_slope_of_an_amount_without_noise_is_found_everywhere() -> None:
    rng = np.random.default_rng(0)
    x1, x2, push = rng.normal(size=(3, 400))
    frame = {"t": x1 + push, "x1": x1, "x2": x2, "y": np.sin(x1) - 0.5 * push}
    forest = CausalForest(outcome_model=bf.OutOfFold(np.sin(x1)), treatment_model=bf.OutOfFold(x1), trees=100)
    found = fit(forest, frame)
    assert_allclose(found.effect().value, -0.5, rtol=0, atol=1e-9)
    assert_allclose(found.estimate().value, -0.5, rtol=0, atol=1e-9)
    doubled = fit(forest, frame, contrast=(2, 0))
    assert doubled.estimate().labels == ("t: +2",)
    assert_allclose(doubled.effect().value, -1.0, rtol=0, atol=1e-9)


def test_an_effect_with_a_step_is_found_on_both_sides() -> None:
    """A tree cuts at the step up to one of 254 ranges of values, so few of a leaf's rows are from the other side."""
    frame = world(8000)
    frame, forest = given(frame, 1.0 * (frame["x1"] > 0), trees=100)
    found = fit(forest, frame)
    away = np.abs(frame["x1"]) > 0.5
    assert np.abs(found.effect().value[:, 0] - (frame["x1"] > 0))[away].max() < 0.05
    grid = found.effect({"x1": [-1.5, -0.5, 0.5, 1.5], "x2": [0.0, 2.0, -2.0, 0.0]})
    assert_allclose(grid.value[:, 0], [0.0, 0.0, 1.0, 1.0], rtol=0, atol=0.05)


def test_the_effect_at_a_point_is_the_slope_among_its_weighted_neighbours() -> None:
    found, points = fit(PLAIN, world()), world(30, seed=1)
    weights = found.kernel_weights(points)
    assert_allclose(weights.sum(axis=1), 1.0, rtol=0, atol=1e-12)
    outcome, treatment = centred(found)
    for effect, w in zip(found.effect(points).value[:, 0], weights, strict=True):
        t, y = treatment - w @ treatment, outcome - w @ outcome
        assert_allclose(effect, (w * t) @ y / ((w * t) @ t), rtol=1e-8)


@pytest.mark.parametrize("estimand", [bf.ATE(), bf.ATT(), bf.ATC()], ids=lambda e: e.label)
def test_averages_are_the_doubly_robust_ones_with_the_forests_outcomes(estimand: bf.Estimand) -> None:
    frame = world()
    frame, forest = given(frame, 1.0 + frame["x1"], trees=200, slopes=0)
    found = fit(forest, frame, estimand=estimand)
    t, y, e, m = frame["t"], frame["y"], expit(0.7 * frame["x1"]), np.sin(frame["x1"])
    effect = found.effect().value[:, 0]
    untreated, treated = m - e * effect, m + (1 - e) * effect
    scores = {
        "ATE": effect + t * (y - treated) / e - (1 - t) * (y - untreated) / (1 - e),
        "ATT": (t * (y - untreated) - (1 - t) * e / (1 - e) * (y - untreated)) / t.mean(),
        "ATC": (t * (1 - e) / e * (y - treated) + (1 - t) * (treated - y)) / (1 - t).mean(),
    }
    assert_allclose(found.estimate().value, scores[estimand.code].mean(), rtol=1e-10)
    part = {"ATE": np.ones(400), "ATT": t / t.mean(), "ATC": (1 - t) / (1 - t).mean()}[estimand.code]
    influence = scores[estimand.code] - part * scores[estimand.code].mean()
    assert_allclose(found.estimate().influence[:, 0], influence, rtol=0, atol=1e-9)


def test_the_overlap_weighted_average_is_the_partially_linear_one_whatever_the_forest_says() -> None:
    """With h = e(1 − e) the efficient score of the forest reduces to Σ T̃ Ỹ / Σ T̃²."""
    frame = world()
    linear = bf.PartiallyLinear(**LINEAR).fit(frame, estimand=bf.ATO(), rng=4, **ROLES).estimate()
    found = fit(FOREST, frame, estimand=bf.ATO(), rng=4).estimate()
    assert_allclose(found.value, linear.value, rtol=1e-10)
    assert_allclose(found.influence, linear.influence, rtol=0, atol=1e-9)
    assert found.estimand == linear.estimand


def test_the_scores_average_to_the_effect_within_subgroups_too() -> None:
    frame = world()
    frame["side"] = np.where(frame["x1"] > 0, "right", "left")
    found = fit(FOREST, frame, modifiers=["side"])
    assert found.scores is not None
    gain = found.scores[:, 1] - found.scores[:, 0]
    expected = [gain.mean(), gain[frame["x1"] <= 0].mean(), gain[frame["x1"] > 0].mean()]
    assert_allclose(found.estimate().value, expected, rtol=1e-10)


def test_the_average_slope_of_an_amount_corrects_the_forest_by_what_it_leaves() -> None:
    """With Var(T | X) known to be one, θ = mean(τ̂ + T̃ (Ỹ − τ̂ T̃) / v̂) up to the estimated variance v̂."""
    rng = np.random.default_rng(5)
    x1, x2, push = rng.normal(size=(3, 4000))
    frame = {"t": x1 + push, "x1": x1, "x2": x2, "y": x1 + push * (1 + 0.5 * x1) + rng.normal(size=4000)}
    forest = CausalForest(outcome_model=bf.OutOfFold(x1), treatment_model=bf.OutOfFold(x1), trees=200, slopes=0)
    found = fit(forest, frame)
    assert found.representer is not None
    effect = found.effect().value[:, 0]
    residual = frame["y"] - x1 - effect * push
    assert_allclose(found.estimate().value, np.mean(effect + found.representer[:, 0] * residual), rtol=1e-10)
    assert abs(np.mean(found.representer[:, 0] * push) - 1.0) < 0.05
    # The truth is 1; four standard errors.
    assert abs(found.estimate().value[0] - 1.0) < 4 * found.estimate().std_error[0]


def test_calibration_is_one_and_one_when_the_forest_is_right() -> None:
    frame = world(4000)
    gain = 2.0 * (frame["x1"] > 0) + 1.0
    noise = np.random.default_rng(3).normal(size=4000)
    frame, forest = given(frame, gain, trees=200)
    found = fit(forest, frame | {"y": frame["y"] + noise}).calibration()
    assert found.labels == ("mean effect", "differences of effects")
    assert np.all(np.abs(found.value - 1.0) < 4 * found.std_error)
    assert found.value[1] > 10 * found.std_error[1]


def test_calibration_of_effects_that_are_all_zero_says_so() -> None:
    found = fit(FOREST, world())
    assert found.effects is not None
    zero = replace(found, effects=replace(found.effects, value=np.zeros((400, 1))))
    with pytest.raises(Collinear):
        zero.calibration()


def test_importance_finds_the_covariate_along_which_effects_differ() -> None:
    frame, forest = given(world(2000), np.zeros(2000), trees=200)
    frame, forest = given(frame, 1.0 * (frame["x2"] > 0), trees=200)
    names, shares = zip(*fit(forest, frame).importance().rows, strict=True)
    assert names == ("x2", "x1")
    assert_allclose(np.sum(shares), 1.0, rtol=1e-12)
    assert shares[0] > 0.5


# --- nothing leaks ---------------------------------------------------------------------------------------------------


def told(**settings: Any) -> CausalForest:
    """Nuisances that do not learn, so that only the forest could pass on what a row knows.

    Without slopes: their penalties are one choice of all rows, and know each a little.
    """
    return CausalForest(
        outcome_model=bf.OutOfFold(np.zeros(400)), treatment_model=bf.OutOfFold(np.full(400, 0.5)), slopes=0, **settings
    )


def test_the_effect_of_a_row_does_not_know_its_outcome() -> None:
    found = fit(told(trees=200), world())
    before = found.effect().value[:, 0]
    other = found.sample.outcome.copy()
    other[7] += 0.5
    again: Any = found.estimator.fit_sample(found.sample.with_outcome("y", other), found.question, found.strategy)
    moved = np.abs(again.effect().value[:, 0] - before)
    assert moved[7] < 1e-9
    assert np.median(moved) > 1e-6


def test_the_effect_of_a_row_does_not_know_the_outcomes_of_its_cluster() -> None:
    frame = world()
    found = fit(told(trees=200), frame, cluster="household")
    mates = frame["household"] == frame["household"][7]
    before = found.effect().value[:, 0]
    other = found.sample.outcome + np.where(mates, [[0.5], [-1.0]], 0.0)[0]
    again: Any = found.estimator.fit_sample(found.sample.with_outcome("y", other), found.question, found.strategy)
    moved = np.abs(again.effect().value[:, 0] - before)
    assert mates.sum() == 4
    assert moved[mates].max() < 1e-9
    assert np.median(moved) > 1e-6


def test_nuisances_of_a_row_do_not_know_the_outcomes_of_its_cluster() -> None:
    frame = world()
    mates = frame["household"] == frame["household"][7]
    other = frame | {"y": frame["y"] + 100.0 * mates}
    one, two = fit(FOREST, frame, cluster="household"), fit(FOREST, other, cluster="household")
    assert_allclose((centred(two)[0] - centred(one)[0])[mates], 100.0, rtol=1e-9)


def test_effects_of_the_fitted_rows_are_out_of_bag_and_those_of_new_rows_are_not() -> None:
    """The trees that saw a row fit its noise: in sample the R-loss is smaller than out of bag."""
    frame = world()
    found = fit(FOREST, frame)
    outcome, treatment = centred(found)
    outside, inside = found.effect().value[:, 0], found.effect(frame).value[:, 0]
    assert np.mean((outcome - treatment * inside) ** 2) < np.mean((outcome - treatment * outside) ** 2)
    assert np.corrcoef(outside, inside)[0, 1] > 0.8


# --- laws ------------------------------------------------------------------------------------------------------------


def _fixed(count: int, _: int | None) -> int:
    return count


def test_the_same_seed_gives_the_same_bits_for_any_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    frame, found = world(), []
    for threads in (1, 3):
        monkeypatch.setattr("butfor.native.forest.thread_count", partial(_fixed, threads))
        forest = fit(FOREST, frame, rng=5)
        found.append((forest.effect().value, forest.effect().std_error, forest.effect(frame).value))
    for one, two in zip(*found, strict=True):
        assert_array_equal(one, two)
    assert np.all(fit(FOREST, frame, rng=6).effect().value != found[0][0])


def test_effects_do_not_depend_on_the_order_of_rows() -> None:
    frame = world()
    order = np.random.default_rng(1).permutation(400)
    one, two = fit(FOREST, frame), fit(FOREST, {name: column[order] for name, column in frame.items()})
    assert_allclose(two.effect().value, one.effect().value[order], rtol=0, atol=1e-8)
    assert_allclose(two.effect().std_error, one.effect().std_error[order], rtol=0, atol=1e-6)


def test_effects_have_the_unit_of_the_outcome() -> None:
    frame = world()
    one = fit(FOREST, frame).effect()
    two = fit(FOREST, frame | {"y": 1000 * frame["y"] - 7, "x1": frame["x1"] / 60}).effect()
    assert_allclose(two.value, 1000 * one.value, rtol=0, atol=1e-5)
    assert_allclose(two.std_error, 1000 * one.std_error, rtol=0, atol=1e-3)


def test_swapped_labels_turn_the_sign() -> None:
    frame = world()
    one, two = fit(FOREST, frame).effect(), fit(FOREST, frame | {"t": 1 - frame["t"]}).effect()
    assert_allclose(two.value, -one.value, rtol=0, atol=1e-8)
    assert_allclose(two.std_error, one.std_error, rtol=0, atol=1e-6)


def test_equal_weights_are_no_weights() -> None:
    frame = world()
    one, two = fit(FOREST, frame), fit(FOREST, frame | {"w": np.full(400, 3.0)}, weights="w")
    assert_allclose(two.effect().value, one.effect().value, rtol=0, atol=1e-8)
    assert_allclose(two.estimate().std_error, one.estimate().std_error, rtol=1e-8)


def test_integer_weights_are_repeated_rows_that_are_drawn_together() -> None:
    """A random forest draws units, so the copies of a row must be one: then weighted and repeated rows are the same.

    A child keeps a number of rows, hence a smallest number of one; 250 rows have all their values as cuts.
    """
    frame = world(250)
    copies = np.random.default_rng(2).integers(1, 4, 250)
    source = np.repeat(np.arange(250), copies)
    mean, chance = 0.5 * frame["x1"], expit(0.7 * frame["x1"])
    effects, averages = [], []
    for rows, settings in ((np.arange(250), {"weights": "w"}), (source, {})):
        forest = CausalForest(
            outcome_model=bf.OutOfFold(mean[rows]),
            treatment_model=bf.OutOfFold(chance[rows]),
            trees=100,
            min_node_size=1,
        )
        repeated = {name: column[rows] for name, column in (frame | {"w": copies.astype(float)}).items()}
        found = fit(forest, repeated, cluster="unit", **settings)
        effects.append(found.effect())
        averages.append(found.estimate())
    assert_allclose(effects[1].value, effects[0].value[source], rtol=0, atol=1e-8)
    assert_allclose(effects[1].std_error, effects[0].std_error[source], rtol=0, atol=1e-6)
    assert_allclose(averages[1].value, averages[0].value, rtol=1e-8)
    assert_allclose(averages[1].std_error, averages[0].std_error, rtol=1e-8)


def test_an_effect_that_is_sure_has_a_smaller_standard_error_with_more_rows() -> None:
    """√(16) times the rows, with leaves of the same share: about a quarter; half leaves room for smaller leaves."""
    settings: dict[str, Any] = {"trees": 400, "min_node_size": 50}
    errors = []
    for n in (500, 8000):
        frame = world(n)
        frame, forest = given(frame, np.ones(n), **settings)
        noisy = frame | {"y": frame["y"] + np.random.default_rng(1).normal(size=n)}
        errors.append(np.median(fit(replace(forest, min_node_size=n // 10), noisy).effect().std_error))
    assert errors[1] < 0.5 * errors[0]


# --- refusals --------------------------------------------------------------------------------------------------------

CASES: list[tuple[dict[str, Any], dict[str, Any], type[ButforError]]] = [
    ({}, {"covariates": []}, InvalidSetting),
    ({}, {"covariates": ["x3"]}, UnknownColumn),
    ({}, {"instrument": "x2", "covariates": ["x1"]}, MethodMismatch),
    ({"t": np.ones(400, dtype=int)}, {}, ConstantColumn),
    ({"t": np.arange(400) // 399}, {}, EmptyArm),
    ({"t": np.arange(400) // 398}, {}, TooFewRows),
    ({"t": np.arange(400) % 7}, {"arms": True}, MethodMismatch),
    ({"t": (world()["x1"] > 0).astype(int)}, {}, SeparatedPropensity),
    ({"y": np.ones(400)}, {}, ConstantColumn),
    ({"y": np.array(["a", "b"] * 200)}, {}, NonNumeric),
    ({"y": np.where(np.arange(400) == 5, np.nan, 1.0 * np.arange(400))}, {}, MissingValues),
    ({"x1": np.where(np.arange(400) == 5, np.inf, 1.0)}, {}, ButforError),
    ({"household": np.arange(400) // 200}, {"cluster": "household"}, TooFewRows),
]


@pytest.mark.parametrize(("data", "roles", "error"), CASES)
def test_every_refusal_has_its_error_and_a_hint(
    data: dict[str, Any], roles: dict[str, Any], error: type[ButforError]
) -> None:
    with pytest.raises(error) as caught:
        fit(FOREST, world() | data, **roles)
    assert caught.value.hint


@pytest.mark.parametrize("n", [1, 2, 5, 12])
def test_a_few_rows_are_refused(n: int) -> None:
    with pytest.raises(ButforError) as caught:
        fit(FOREST, {name: column[:n] for name, column in world().items()})
    assert caught.value.hint


@pytest.mark.parametrize(
    "settings",
    [
        {"trees": 0},
        {"trees": -5},
        {"bag_size": 1},
        {"subsample": 0.0},
        {"subsample": 0.6},
        {"honesty": 1.0},
        {"honesty": -0.1},
        {"features": 0},
        {"features": 2.5},
        {"slopes": -1},
        {"slopes": 65},
        {"min_node_size": 0},
        {"alpha": 0.5},
        {"imbalance_penalty": -1.0},
        {"imbalance_penalty": np.nan},
        {"floor": 0.5},
        {"floor": 0.0},
        {"folds": 1},
    ],
    ids=repr,
)
def test_settings_out_of_range(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidSetting) as caught:
        CausalForest(**settings)
    assert caught.value.hint


def test_few_trees_that_leave_rows_without_an_estimate_are_refused() -> None:
    with pytest.raises(TooFewRows, match="more than 2 trees"):
        fit(replace(FOREST, trees=2), world())


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"x1": np.array(["a"] * 20)}, NonNumeric),
        ({"x1": np.array([np.inf] * 20)}, ButforError),
    ],
)
def test_new_rows_that_cannot_be_read_are_refused(change: Frame, error: type[ButforError]) -> None:
    with pytest.raises(error):
        fit(FOREST, world()).effect(world(20) | change)


def test_a_covariate_that_new_rows_lack_is_named() -> None:
    with pytest.raises(UnknownColumn, match="x2"):
        fit(FOREST, world()).effect({"x1": [0.0]})


def _ask_new(found: ForestFit) -> object:
    return found.effect(world(9))


@pytest.mark.parametrize("ask", [ForestFit.effect, _ask_new, ForestFit.importance, ForestFit.calibration])
def test_a_fit_without_its_forest_says_so(ask: Callable[[ForestFit], object]) -> None:
    empty = replace(fit(FOREST, world()), forest=None, effects=None, columns=None)
    with pytest.raises(MethodMismatch):
        ask(empty)
