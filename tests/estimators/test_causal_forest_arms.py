"""The causal forest for several arms: closed forms, contrasts, files and refusals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import butfor as bf
from butfor.core.errors import InvalidSetting, MethodMismatch, UnreadableData
from butfor.estimators.forest.causal import CausalForest
from butfor.estimators.forest.fit import ForestFit
from butfor.estimators.forest.model import load_effects
from tests.estimators.test_causal_forest import FOREST, Frame

ROLES: dict[str, Any] = {"treatment": "t", "outcome": "y", "covariates": ["x1", "x2"]}
ARMS = np.array(["a", "b", "c"])


def chances(x1: np.ndarray) -> np.ndarray:
    index = np.column_stack([np.zeros(len(x1)), 0.5 * x1, -0.5 * x1])
    return np.exp(index) / np.exp(index).sum(axis=1, keepdims=True)


def world(n: int = 900, seed: int = 0, noise: float = 1.0) -> tuple[Frame, np.ndarray, np.ndarray]:
    """Three arms whose effects are 1 + x1 and 2 (x2 > 0): the frame, E[Y | X], and the probabilities of the arms."""
    rng = np.random.default_rng(seed)
    x1, x2 = rng.normal(size=(2, n))
    chance = chances(x1)
    arm = (rng.random(n)[:, None] > np.cumsum(chance, axis=1)[:, :2]).sum(axis=1)
    gain = np.column_stack([np.zeros(n), 1.0 + x1, 2.0 * (x2 > 0)])
    mean = np.sin(x1) + (chance * gain).sum(axis=1)
    y = np.sin(x1) + gain[np.arange(n), arm] + noise * rng.normal(size=n)
    return {"t": ARMS[arm], "y": y, "x1": x1, "x2": x2, "gain": gain}, mean, chance


def fit(forest: CausalForest, frame: Frame, **settings: Any) -> ForestFit:
    found = forest.fit({k: v for k, v in frame.items() if k != "gain"}, **(ROLES | settings))
    assert isinstance(found, ForestFit)
    return found


def told(mean: np.ndarray, chance: np.ndarray, **settings: Any) -> CausalForest:
    return CausalForest(
        outcome_model=bf.OutOfFold(mean), treatment_model=bf.OutOfFold(chance), **({"trees": 200} | settings)
    )


@pytest.fixture(scope="module")
def found() -> ForestFit:
    frame, mean, chance = world()
    return fit(told(mean, chance), frame)


# --- closed forms ----------------------------------------------------------------------------------------------------


def test_constant_effects_without_noise_are_found_everywhere() -> None:
    frame, _, chance = world()
    gain = np.array([0.0, 2.5, -1.0])
    mean = np.sin(frame["x1"]) + chance @ gain
    own = np.searchsorted(ARMS, frame["t"])
    fitted = fit(told(mean, chance), frame | {"y": np.sin(frame["x1"]) + gain[own]})
    effects = fitted.effect()
    assert effects.labels == ("t: b - a", "t: c - a")
    assert_allclose(effects.value, np.tile(gain[1:], (900, 1)), rtol=0, atol=1e-8)
    assert_allclose(effects.std_error, 0.0, rtol=0, atol=1e-6)
    assert_allclose(fitted.estimate().value, gain[1:], rtol=0, atol=1e-8)
    assert_allclose(fitted.effect({"x1": [-3.0, 9.0], "x2": [0.0, 2.0]}).value, [gain[1:]] * 2, rtol=0, atol=1e-8)


def test_effects_that_differ_are_found_for_each_arm() -> None:
    frame, mean, chance = world(6000, noise=0.2)
    effects = fit(told(mean, chance), frame).effect().value
    for arm in (0, 1):
        error = effects[:, arm] - frame["gain"][:, arm + 1]
        assert np.mean(error**2) < 0.1 * np.var(frame["gain"][:, arm + 1])


@pytest.mark.parametrize("estimand", [bf.ATE(), bf.ATT()], ids=lambda e: e.label)
def test_averages_are_the_doubly_robust_ones_with_the_forests_outcomes(estimand: bf.Estimand) -> None:
    frame, mean, chance = world()
    fitted = fit(told(mean, chance), frame, estimand=estimand)
    effect = np.column_stack([np.zeros(900), fitted.effect().value])
    outcomes = (mean - (chance * effect).sum(axis=1))[:, None] + effect
    own = np.searchsorted(ARMS, frame["t"])
    for k, arm in enumerate((1, 2)):
        taken, other, e, u = 1.0 * (own == arm), 1.0 * (own == 0), chance[:, arm], chance[:, 0]
        treated, untreated = frame["y"] - outcomes[:, arm], frame["y"] - outcomes[:, 0]
        score = {
            "ATE": effect[:, arm] + taken * treated / e - other * untreated / u,
            # The treated of an arm: those who have it.
            "ATT": (taken - other * e / u) * untreated / taken.mean(),
        }[estimand.code]
        assert_allclose(fitted.estimate().value[k], score.mean(), rtol=1e-10)


def test_the_effect_at_a_point_is_the_regression_among_its_weighted_neighbours(found: ForestFit) -> None:
    points = {"x1": np.linspace(-1, 1, 9), "x2": np.linspace(1, -1, 9)}
    weights = found.kernel_weights(points)
    assert found.outcome_residual is not None
    assert found.treatment_residual is not None
    for effect, w in zip(found.effect(points).value, weights, strict=True):
        t = found.treatment_residual - w @ found.treatment_residual
        y = found.outcome_residual - w @ found.outcome_residual
        assert_allclose(effect, np.linalg.solve((t * w[:, None]).T @ t, (t * w[:, None]).T @ y), rtol=1e-7)


# --- contrasts -------------------------------------------------------------------------------------------------------


def test_a_contrast_of_two_arms_is_the_difference_of_their_effects(found: ForestFit) -> None:
    frame, mean, chance = world()
    one = fit(told(mean, chance), frame, contrast=("c", "b"))
    both = found.effect()
    assert one.effect().labels == ("t: c - b",)
    assert_allclose(one.effect().value[:, 0], both.value[:, 1] - both.value[:, 0], rtol=0, atol=1e-12)
    assert_allclose(one.estimate().value[0], found.estimate().value[1] - found.estimate().value[0], rtol=1e-10)
    # Its variance has a covariance of its own: no more than if both moved against each other.
    assert one.effect().std_error is not None
    assert both.std_error is not None
    assert np.all(one.effect().std_error[:, 0] <= both.std_error.sum(axis=1) * 1.5)
    assert np.all(one.effect().std_error > 0)


def test_swapped_arms_turn_the_sign() -> None:
    frame, mean, chance = world()
    one = fit(told(mean, chance), frame, contrast=("b", "a")).effect()
    two = fit(told(mean, chance), frame, contrast=("a", "b")).effect()
    assert_array_equal(two.value, -one.value)
    assert_array_equal(two.std_error, one.std_error)


def test_a_contrast_of_two_arms_only_may_be_asked_the_other_way_round() -> None:
    frame, _, _ = world()
    two = {name: column[frame["t"] != "c"] for name, column in frame.items()}
    one = fit(FOREST, two).effect()
    other = fit(FOREST, two, contrast=("a", "b")).effect()
    assert_allclose(other.value, -one.value, rtol=0, atol=1e-12)


def test_effects_do_not_depend_on_the_order_of_rows() -> None:
    frame, mean, chance = world()
    order = np.random.default_rng(1).permutation(900)
    one = fit(told(mean, chance), frame).effect()
    two = fit(told(mean[order], chance[order]), {name: column[order] for name, column in frame.items()}).effect()
    assert_allclose(two.value, one.value[order], rtol=0, atol=1e-8)


# --- what is asked of a fit ------------------------------------------------------------------------------------------


def test_groups_columns_and_means_of_arms_follow(found: ForestFit) -> None:
    gain = world()[0]["gain"]
    means = found.potential_means()
    assert means.labels == ("t = a", "t = b", "t = c")
    assert_allclose(np.diff(means.value)[0], found.estimate().value[0], rtol=1e-10)
    groups = found.group_effects({"right": world()[0]["x2"] > 0})
    assert groups.labels == ("t: b - a | right", "t: c - a | right")
    right = world()[0]["x2"] > 0
    assert np.all(np.abs(groups.value - gain[right, 1:].mean(axis=0)) < 4 * groups.std_error)
    line = found.best_linear_predictor(["x1"])
    assert len(line.value) == 4
    assert abs(line.value[1] - 1.0) < 4 * line.std_error[1]
    assert dict(found.importance().rows).keys() == {"x1", "x2"}


def test_calibration_has_a_pair_for_each_contrast() -> None:
    frame, mean, chance = world(4000)
    calibration = fit(told(mean, chance, min_node_size=20), frame).calibration()
    assert len(calibration.labels) == 4
    assert np.all(np.abs(calibration.value - 1.0) < 4 * calibration.std_error)
    assert np.all(calibration.value[1::2] > 4 * calibration.std_error[1::2])


def test_rules_explain_one_contrast() -> None:
    frame, mean, chance = world(3000)
    with pytest.raises(MethodMismatch, match="2 contrasts"):
        fit(told(mean, chance), frame).explain_effects()
    rules = fit(told(mean, chance), frame, contrast=("c", "a")).explain_effects(depth=1)
    assert "x2" in rules.labels[0]
    assert np.all(np.abs(rules.value - [0.0, 2.0]) < 4 * rules.std_error + 0.3)


def test_a_scored_file_has_columns_for_each_contrast_and_a_saved_forest_says_the_same(
    found: ForestFit, tmp_path: Path
) -> None:
    new = world(300, seed=1)[0]
    new = {name: new[name] for name in ("x1", "x2")}
    assert found.model.score_file(new, tmp_path / "effects.parquet", keep=["x1"]) == 300
    table = pyarrow.parquet.read_table(tmp_path / "effects.parquet")
    parts = ("effect", "std_error", "conf_low", "conf_high")
    assert table.column_names == ["x1", *(f"{part} of t: {arm} - a" for arm in "bc" for part in parts)]
    effects = found.effect(new)
    assert_array_equal(table["effect of t: c - a"].to_numpy(), effects.value[:, 1])
    assert_array_equal(table["conf_low of t: b - a"].to_numpy(), effects.interval()[:, 0, 0])
    found.model.save(tmp_path / "effects.npz")
    loaded = load_effects(tmp_path / "effects.npz")
    assert_array_equal(loaded.effect(new).value, effects.value)
    assert_array_equal(loaded.effect(new).std_error, effects.std_error)
    nobody = {name: column[:0] for name, column in new.items()}
    assert loaded.effect(nobody).value.shape == (0, 2)
    loaded = replace(loaded, combinations=np.ones((2, 3)))
    loaded.save(tmp_path / "broken.npz")
    with pytest.raises(UnreadableData):
        load_effects(tmp_path / "broken.npz")


# --- refusals --------------------------------------------------------------------------------------------------------


def test_more_arms_than_the_forest_has_room_for_are_refused() -> None:
    frame, _, _ = world()
    arms = frame | {"t": np.array(list("abcdefg"))[np.arange(900) % 7]}
    with pytest.raises(MethodMismatch, match="at most 6") as caught:
        fit(FOREST, arms)
    assert caught.value.hint


def test_six_arms_are_fitted() -> None:
    frame, _, _ = world()
    arms = frame | {"t": np.array(list("abcdef"))[np.arange(900) % 6]}
    assert fit(FOREST, arms).effect().value.shape == (900, 5)


def test_columns_to_keep_may_not_have_the_names_of_effects(found: ForestFit, tmp_path: Path) -> None:
    new = {"x1": [0.0], "x2": [0.0], "effect of t: b - a": [1.0]}
    with pytest.raises(InvalidSetting, match="effect of t"):
        found.model.score_file(new, tmp_path / "effects.parquet", keep=["effect of t: b - a"])
