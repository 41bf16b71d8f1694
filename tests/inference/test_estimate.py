"""Contrasts, bands, comparisons and JSON of an estimate."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import butfor as bf
from butfor.core.errors import InvalidSetting, MethodMismatch, UnknownColumn
from butfor.inference.estimate import Estimate
from butfor.inference.multiplicity import benjamini_hochberg, holm, simultaneous_critical_value


@pytest.fixture
def estimate() -> Estimate:
    rng = np.random.default_rng(4)
    influence = rng.normal(size=(400, 3)) @ np.array([[1.0, 0.5, 0.0], [0.0, 1.0, 0.3], [0.0, 0.0, 2.0]])
    return Estimate(
        labels=("a", "b", "c"), value=np.array([1.0, 2.0, 4.0]), influence=influence, n=400, estimator="test"
    )


def test_contrasts_carry_the_joint_covariance(estimate: Estimate) -> None:
    weights = np.array([[1.0, -1.0, 0.0], [0.0, 0.5, 0.5]])
    combined = estimate.contrast(weights, ["gap", "mean"])
    assert_allclose(combined.value, [-1.0, 3.0])
    assert_allclose(combined.covariance, weights @ estimate.covariance @ weights.T, rtol=1e-12)
    named = estimate.contrast({"gap": {"a": 1, "b": -1}})
    assert_allclose(named.std_error, combined.std_error[:1])
    assert_allclose(estimate.aggregate([1, 1, 2]).value, [11 / 4])


def test_contrasts_without_influence_use_the_covariance(estimate: Estimate) -> None:
    bare = estimate.without_rows()
    assert_allclose(bare.contrast([1, 1, 1]).std_error, estimate.contrast([1, 1, 1]).std_error, rtol=1e-12)
    with pytest.raises(MethodMismatch, match="no influence function"):
        bare.with_inference(covariance="HC0")


def test_contrasts_refuse_what_does_not_fit(estimate: Estimate) -> None:
    with pytest.raises(InvalidSetting, match="one per effect"):
        estimate.contrast([1.0, 2.0])
    with pytest.raises(UnknownColumn, match="'z'"):
        estimate.contrast({"x": {"z": 1.0}})
    with pytest.raises(InvalidSetting, match="positive sum"):
        estimate.aggregate([0, 0, 0])


def test_bands_of_independent_effects_have_the_closed_form() -> None:
    """For k independent normals the sup-t critical value is the normal quantile of (1 + level^(1/k)) / 2."""
    k, draws = 4, 100_000
    found = simultaneous_critical_value(np.diag([1.0, 4.0, 9.0, 0.25]), 0.95, draws=draws)
    expected = stats.norm.ppf((1 + 0.95 ** (1 / k)) / 2)
    # Standard error of a quantile: sqrt(p(1 − p)/draws) / density of max|Z| there, about 4 · 2φ(c)·0.95^(3/4).
    density = k * 2 * stats.norm.pdf(expected) * (0.95) ** ((k - 1) / k)
    assert abs(found - expected) < 4 * np.sqrt(0.05 * 0.95 / draws) / density


def test_bands_of_one_repeated_effect_are_the_interval(estimate: Estimate) -> None:
    same = estimate.contrast([[1, 0, 0], [1, 0, 0]], ["one", "again"])
    width = np.diff(same.bands())[0, 0] / np.diff(same.interval())[0, 0]
    assert abs(width - 1) < 0.02


def test_comparing_an_estimate_with_itself_gives_zero(estimate: Estimate) -> None:
    gap = estimate.difference(estimate)
    assert_allclose(gap.value, 0.0)
    assert_allclose(gap.std_error, 0.0)
    assert_allclose(gap.p_value, 1.0)


def test_joint_test_is_walds(estimate: Estimate) -> None:
    statistic, p_value = estimate.joint_test()
    expected = estimate.value @ np.linalg.solve(estimate.covariance, estimate.value)
    assert_allclose(statistic, expected, rtol=1e-8)
    assert_allclose(p_value, stats.chi2.sf(expected, 3), rtol=1e-8)


def test_tidy_has_the_agreed_columns(estimate: Estimate) -> None:
    table = estimate.tidy()
    assert table.names == ("term", "estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high")
    assert len(table) == 3
    assert_allclose(
        np.array(table.column("conf_high")) - np.array(table.column("conf_low")),
        2 * 1.959963984540054 * estimate.std_error,
    )


def test_levels_outside_zero_and_one_are_refused(estimate: Estimate) -> None:
    with pytest.raises(InvalidSetting, match="0 < level < 1"):
        estimate.interval(95)


def test_json_round_trip(estimate: Estimate) -> None:
    back = bf.from_json(estimate.to_json())
    assert back.labels == estimate.labels
    assert_allclose(back.covariance, estimate.covariance, rtol=1e-15)
    assert back.provenance == estimate.provenance


def test_holm_and_benjamini_hochberg_by_hand() -> None:
    assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    assert_allclose(benjamini_hochberg([0.01, 0.04, 0.03, 0.005]), [0.02, 0.04, 0.04, 0.02])
    assert_allclose(holm([0.9, 0.8]), [1.0, 1.0])
