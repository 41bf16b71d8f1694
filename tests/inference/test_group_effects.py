"""Effects of groups, profiles of groups and means of arms: DoubleML's numbers, closed forms, laws, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import butfor as bf
from butfor.core.errors import ButforError, InvalidSetting, MethodMismatch, MissingValues, UnknownColumn
from butfor.inference.effects import EffectTable
from tests.estimators.given_predictions import adjusted

LINEAR: dict[str, Any] = {"outcome_model": bf.LinearModel(), "propensity_model": bf.LogisticModel()}
ROLES: dict[str, Any] = {"treatment": "t", "outcome": "y", "covariates": ["x", "v"]}


def given(estimand: bf.Estimand | None = None) -> bf.Fit:
    frame, made = adjusted()
    aipw = bf.AIPW(
        outcome_model=bf.OutOfFold(made["outcome by treatment"]), propensity_model=bf.OutOfFold(made["propensity"])
    )
    return aipw.fit(frame, estimand=estimand, **ROLES)


def given_arms(estimand: bf.Estimand | None = None, **roles: Any) -> bf.Fit:
    frame, made = adjusted()
    aipw = bf.AIPW(
        outcome_model=bf.OutOfFold(made["outcome by arm"]), propensity_model=bf.OutOfFold(made["propensity of arms"])
    )
    roles = {"treatment": "arm", "outcome": "w", "covariates": ["x", "v"], "arms": True} | roles
    return aipw.fit(frame, estimand=estimand, **roles)


# --- numbers ---------------------------------------------------------------------------------------------------------


def test_groups_by_masks_are_the_gates_of_doubleml() -> None:
    # DoubleML 0.11.4, IRM with external predictions, gate(groups, cov_type="HC0").
    v = adjusted()[0]["v"]
    masks = {"low": v < -0.2, "mid": (v >= -0.2) & (v < 0.5), "high": v >= 0.5}
    found = given().group_effects(masks)
    assert found.labels == ("t: 1 - 0 | low", "t: 1 - 0 | mid", "t: 1 - 0 | high")
    assert_allclose(found.value, [1.3125978506299634, 0.7926350990384824, 1.2826968560071184], rtol=1e-12)
    assert_allclose(found.std_error, [0.1740686481897983, 0.2019296884124764, 0.2231323249791397], rtol=1e-12)


def test_means_of_arms_and_their_covariance_are_those_of_doubleml() -> None:
    # DoubleML 0.11.4, APOS with external predictions; covariance from its psi.
    found = given_arms().potential_means()
    assert found.labels == ("arm = 0", "arm = 1", "arm = 2")
    assert_allclose(found.value, [0.1164361674756387, 1.109582422755978, 2.1943835074303326], rtol=1e-12)
    covariance = [
        [0.009672353186388259, 0.0020762476808477448, 0.001829199518959652],
        [0.0020762476808477448, 0.00902111437635187, 0.0035965476127095253],
        [0.001829199518959652, 0.0035965476127095253, 0.014057052717686012],
    ]
    assert_allclose(found.covariance, covariance, rtol=1e-11)
    # Its contrasts with the first arm.
    against_first = found.contrast([[-1, 1, 0], [-1, 0, 1]])
    assert_allclose(against_first.value, [0.9931462552803394, 2.0779473399546937], rtol=1e-12)
    assert_allclose(against_first.std_error, [0.120585953581023, 0.1416721809889118], rtol=1e-12)


@pytest.mark.parametrize("estimand", [bf.ATE(), bf.ATT(), bf.ATC(), bf.ATO(), bf.ATE(trim=0.4)], ids=lambda e: e.label)
def test_the_difference_of_the_means_of_arms_is_the_effect(estimand: bf.Estimand) -> None:
    fit = given(estimand)
    difference = fit.potential_means().contrast([-1.0, 1.0])
    assert_allclose(difference.value, fit.result.value, rtol=1e-12)
    assert_allclose(difference.influence, fit.result.influence, rtol=0, atol=1e-12)


@pytest.mark.parametrize("estimand", [bf.ATE(), bf.ATT(), bf.ATO(), bf.ATE(trim=0.1)], ids=lambda e: e.label)
def test_groups_asked_for_later_are_those_of_modifiers(estimand: bf.Estimand) -> None:
    frame = adjusted()[0]
    aipw = bf.AIPW(**LINEAR)
    before = aipw.fit(frame, estimand=estimand, modifiers=["v"], **ROLES)
    after = aipw.fit(frame, estimand=estimand, **ROLES).group_effects("v")
    assert after.labels == before.result.labels[1:]
    assert_array_equal(after.value, before.result.value[1:])
    assert_array_equal(after.influence, before.result.influence[:, 1:])
    assert_array_equal(before.group_effects("v").value, after.value)


def test_an_effect_without_noise_is_found_in_every_group() -> None:
    frame = adjusted()[0]
    frame["y"] = frame["x"] + frame["t"] * (1 + frame["v"])
    found = bf.AIPW(**LINEAR).fit(frame, **ROLES).group_effects(frame["v"], groups=4)
    quarter = np.argsort(np.argsort(frame["v"])) * 4 // len(frame["v"])
    assert_allclose(found.value, [1 + frame["v"][quarter == k].mean() for k in range(4)], rtol=0, atol=1e-10)
    assert found.labels[0] == "t: 1 - 0 | predicted effect, group 1 of 4"


def test_every_contrast_has_its_groups() -> None:
    found = given_arms().group_effects({"low": adjusted()[0]["v"] < 0})
    assert found.labels == ("arm: 1 - 0 | low", "arm: 2 - 0 | low")


def test_a_profile_is_the_mean_of_each_column_in_each_group() -> None:
    frame, made = adjusted()
    found = given().group_profile(made["effect"], groups=5)
    fifth = np.argsort(np.argsort(made["effect"])) // 100
    means = [frame["v"][fifth == k].mean() for k in range(5)]
    errors = [frame["v"][fifth == k].std() / 10 for k in range(5)]
    own = found.select(*(label for label in found.labels if label.startswith("v | ")))
    assert_allclose(own.value, [*means, means[4] - means[0]], rtol=1e-12)
    assert_allclose(own.std_error, [*errors, np.hypot(errors[4], errors[0])], rtol=1e-12)


def test_clusters_of_the_fit_count_for_groups_as_well() -> None:
    frame = adjusted()[0] | {"village": np.repeat(np.arange(100), 5)}
    fit = bf.AIPW(**LINEAR).fit(frame, cluster="village", **ROLES)
    found = fit.group_effects({"all": np.ones(500, dtype=bool)})
    assert_allclose(found.std_error, fit.result.std_error, rtol=1e-12)
    assert found.cluster_names == ("village",)


# --- who is in a group -----------------------------------------------------------------------------------------------


def test_predicted_effects_are_ranked_within_folds() -> None:
    values = np.r_[np.arange(250.0), 1000 + np.arange(250.0)]
    folds = np.repeat([0, 1], 250)
    found = given().group_effects(values, groups=2, within=folds)
    masks = {"low": np.tile(np.arange(250) < 125, 2), "high": np.tile(np.arange(250) >= 125, 2)}
    assert_array_equal(found.value, given().group_effects(masks).value)


def test_equal_predictions_stay_together() -> None:
    values = np.repeat([0.0, 1.0, 2.0], [300, 100, 100])
    found = given().group_effects(values, groups=5)
    assert found.labels == tuple(f"t: 1 - 0 | predicted effect, group {k} of 5" for k in (1, 4, 5))


def test_a_table_of_effects_an_array_and_a_series_are_the_same() -> None:
    effect = adjusted()[1]["effect"]
    expected = given().group_effects(effect)
    table = EffectTable(("t: 1 - 0",), effect[:, None], np.full((500, 1), np.nan))
    for by in (table, pd.Series(effect), effect.tolist()):
        assert_array_equal(given().group_effects(by).value, expected.value)


def test_an_array_of_booleans_is_a_group() -> None:
    v = adjusted()[0]["v"]
    found = given().group_effects(v > 0)
    assert found.labels == ("t: 1 - 0 | mask",)
    assert_array_equal(found.value, given().group_effects({"g": v > 0}).value)


def test_categories_of_the_fit_and_of_a_frame_are_the_same_groups() -> None:
    rng = np.random.default_rng(3)
    frame = adjusted()[0] | {"region": rng.choice(["east", "north", "west"], 500)}
    fit = bf.AIPW(**LINEAR).fit(frame, treatment="t", outcome="y", covariates=["x", "region"])
    by_name, by_frame = fit.group_effects("region"), fit.group_effects(pd.DataFrame({"region": frame["region"]}))
    assert [label.split(" | ")[1] for label in by_frame.labels] == ["region = east", "region = north", "region = west"]
    assert by_name.labels[0].endswith("region = any other")
    assert_array_equal(by_name.value, by_frame.value)


# --- laws ------------------------------------------------------------------------------------------------------------


def everything(fit: bf.Fit, effect: np.ndarray) -> list[bf.Estimate]:
    return [
        fit.group_effects(effect, groups=3),
        fit.group_effects(["x", "v"]),
        fit.group_profile(effect, groups=3),
        fit.potential_means(),
        fit.best_linear_predictor(["x", "v"]),
        fit.calibration_test(effect),
    ]


@pytest.mark.parametrize("estimand", [bf.ATE(), bf.ATT(), bf.ATO()], ids=lambda e: e.label)
def test_the_order_of_rows_does_not_matter(estimand: bf.Estimand) -> None:
    frame, made = adjusted()
    order = np.random.default_rng(0).permutation(500)
    one = bf.AIPW(**LINEAR).fit(frame, estimand=estimand, **ROLES)
    two = bf.AIPW(**LINEAR).fit({k: v[order] for k, v in frame.items()}, estimand=estimand, **ROLES)
    for a, b in zip(everything(one, made["effect"]), everything(two, made["effect"][order]), strict=True):
        assert_allclose(b.value, a.value, rtol=1e-8, atol=1e-10)
        assert_allclose(b.std_error, a.std_error, rtol=1e-8)
        assert_allclose(a.influence.mean(axis=0), 0.0, atol=1e-9 * np.abs(a.influence).max())


@pytest.mark.parametrize("estimand", [bf.ATE(), bf.ATT(), bf.ATO()], ids=lambda e: e.label)
def test_weights_are_repeated_rows(estimand: bf.Estimand) -> None:
    frame, made = adjusted()
    frame["copies"] = np.random.default_rng(1).integers(1, 4, 500).astype(float)
    source = np.repeat(np.arange(500), frame["copies"].astype(int))
    aipw = bf.AIPW(**LINEAR)
    one = aipw.fit(frame, estimand=estimand, weights="copies", **ROLES)
    two = aipw.fit({k: v[source] for k, v in frame.items()}, estimand=estimand, **ROLES)
    # Quarters of a column are cut without weights, as those of modifiers are: they are left out.
    pairs = zip(everything(one, made["effect"]), everything(two, made["effect"][source]), strict=True)
    for k, (weighted, repeated) in enumerate(pairs):
        if k != 1:
            assert_allclose(weighted.value, repeated.value, rtol=1e-8, atol=1e-10)


def test_bands_hold_all_groups_at_once() -> None:
    found = given().group_effects(adjusted()[1]["effect"])
    limits, alone = found.bands(), found.interval()
    assert np.all(limits[:, 0] < alone[:, 0])
    assert np.all(limits[:, 1] > alone[:, 1])


def test_results_survive_json() -> None:
    for found in everything(given(), adjusted()[1]["effect"]):
        back = bf.from_json(found.to_json())
        assert back.labels == found.labels
        assert_allclose(back.interval(), found.interval(), rtol=1e-12)


# --- refusals --------------------------------------------------------------------------------------------------------

SHORT = np.zeros(499)
CASES: list[tuple[Any, type[ButforError]]] = [
    (lambda fit: fit.group_effects("w"), UnknownColumn),
    (lambda fit: fit.group_effects(SHORT), InvalidSetting),
    (lambda fit: fit.group_effects(np.zeros(500)), InvalidSetting),
    (lambda fit: fit.group_effects(np.arange(500.0), groups=1), InvalidSetting),
    (lambda fit: fit.group_effects(np.arange(500.0), within=SHORT), InvalidSetting),
    (lambda fit: fit.group_effects(np.full(500, np.nan)), MissingValues),
    (lambda fit: fit.group_effects({"g": SHORT}), InvalidSetting),
    (lambda fit: fit.group_effects({"g": np.r_[np.nan, np.arange(499.0)]}), MissingValues),
    (lambda fit: fit.group_effects({"none": np.zeros(500, dtype=bool)}), ButforError),
    (lambda fit: fit.group_profile({"one": np.ones(500, dtype=bool)}), InvalidSetting),
    (lambda fit: fit.group_profile(np.arange(500.0), ["nobody"]), UnknownColumn),
    (lambda fit: fit.group_profile(np.arange(500.0), []), InvalidSetting),
    (lambda fit: fit.calibration_test("effect"), InvalidSetting),
    (lambda fit: fit.group_effects(None), ButforError),
    (lambda fit: fit.group_effects({}), InvalidSetting),
]


@pytest.mark.parametrize(("ask", "error"), CASES)
def test_what_cannot_tell_rows_apart_is_refused(ask: Any, error: type[ButforError]) -> None:
    with pytest.raises(error) as caught:
        ask(given())
    assert caught.value.hint


def test_methods_without_scores_say_so() -> None:
    fit = bf.OLS().fit(adjusted()[0], **ROLES)
    for ask in (lambda: fit.group_effects("x"), fit.potential_means):
        with pytest.raises(MethodMismatch, match="doubly robust scores"):
            ask()


def test_means_of_arms_need_one_population() -> None:
    with pytest.raises(MethodMismatch, match="population"):
        given_arms(bf.ATT()).potential_means()
    assert len(given_arms(bf.ATO()).potential_means().labels) == 3
    assert len(given_arms(bf.ATT(), contrast=(2, 0)).potential_means().labels) == 3


def test_scores_of_several_splits_are_averaged() -> None:
    frame = adjusted()[0]
    many = bf.AIPW(**LINEAR, repetitions=3).fit(frame, rng=2, **ROLES)
    everyone = many.group_effects(np.ones(500, dtype=bool))
    assert abs(everyone.value[0] - many.result.value[0]) < 0.1 * many.result.std_error[0]
    assert everyone.splitting is None
