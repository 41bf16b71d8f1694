"""Balance by cobalt's conventions, in closed form."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import ks_2samp

import butfor as bf
from butfor.core.errors import EmptyArm
from butfor.core.table import Table
from butfor.nuisance.balance import balance_table, love_plot
from butfor.nuisance.overlap import balancing_weights
from butfor.question.estimands import Estimand
from tests.nuisance.samples import sample_of, world

# Treated: 1, 2, 3, 6 (mean 3, variance 14/3) and indicator share 1/2. Reference: 0, 2, 4 (mean 2, variance 4), 1/3.
MATRIX = np.column_stack([[1.0, 2, 3, 6, 0, 2, 4], [1.0, 1, 0, 0, 0, 0, 1]])
SAMPLE = sample_of(MATRIX, np.array([1.0] * 4 + [0.0] * 3), np.arange(7.0))
EVEN = np.ones((7, 1))


def row(table: Table, name: str) -> dict[str, float]:
    return {k: v for k, v in next(r for r in table if r["covariate"] == name).items() if isinstance(v, float)}


@pytest.mark.parametrize(
    ("estimand", "number", "indicator"),
    [
        (bf.ATT(), np.sqrt(14 / 3), np.sqrt(1 / 4)),
        (bf.ATC(), np.sqrt(4), np.sqrt(2 / 9)),
        (bf.ATE(), np.sqrt((14 / 3 + 4) / 2), np.sqrt((1 / 4 + 2 / 9) / 2)),
        (bf.ATO(), np.sqrt((14 / 3 + 4) / 2), np.sqrt((1 / 4 + 2 / 9) / 2)),
    ],
    ids=lambda v: v.code if isinstance(v, Estimand) else "",
)
def test_the_denominator_follows_the_estimand(estimand: Estimand, number: float, indicator: float) -> None:
    table = balance_table(SAMPLE, EVEN, estimand)
    assert_allclose(row(table, "x0")["difference_before"], 1.0, rtol=1e-12)
    assert_allclose(row(table, "x0")["standardised_before"], 1.0 / number, rtol=1e-12)
    assert_allclose(row(table, "x1")["difference_before"], 1 / 6, rtol=1e-12)
    assert_allclose(row(table, "x1")["standardised_before"], 1 / 6 / indicator, rtol=1e-12)


def test_variance_ratio_and_kolmogorov_smirnov() -> None:
    found = row(balance_table(SAMPLE, EVEN, bf.ATT()), "x0")
    assert_allclose(found["variance_ratio_before"], 14 / 12, rtol=1e-12)
    assert_allclose(found["ks_before"], ks_2samp(MATRIX[:4, 0], MATRIX[4:, 0]).statistic, rtol=1e-12)
    assert_allclose(row(balance_table(SAMPLE, EVEN, bf.ATT()), "x1")["ks_before"], 1 / 6, rtol=1e-12)


def test_equal_weights_change_nothing() -> None:
    for name in ("x0", "x1"):
        found = row(balance_table(SAMPLE, EVEN, bf.ATE()), name)
        for what in ("standardised", "variance_ratio", "ks"):
            assert_allclose(found[f"{what}_after"], found[f"{what}_before"], rtol=1e-12)


def test_weighted_means_over_the_spread_before_weighting() -> None:
    weights = np.array([1.0, 1, 1, 0, 1, 1, 0])[:, None]
    found = row(balance_table(SAMPLE, weights, bf.ATT()), "x0")
    assert_allclose(found["standardised_after"], (2.0 - 1.0) / np.sqrt(14 / 3), rtol=1e-12)
    assert_allclose(found["variance_ratio_after"], 1.0 / 2.0, rtol=1e-12)


def test_the_right_weights_balance() -> None:
    """Saturated: with the shares by cell as propensities, weighted means agree to the last digit."""
    rng = np.random.default_rng(0)
    cell = rng.integers(0, 3, size=600)
    treatment = (rng.random(600) < np.array([0.2, 0.5, 0.7])[cell]).astype(float)
    chance = np.array([treatment[cell == c].mean() for c in range(3)])[cell]
    sample = sample_of(np.column_stack([cell == 1, cell == 2]).astype(float), treatment, rng.normal(size=600))
    for estimand in (bf.ATE(), bf.ATT(), bf.ATC(), bf.ATO()):
        weights, _ = balancing_weights(sample, np.column_stack([1 - chance, chance]), estimand)
        table = balance_table(sample, weights, estimand)
        assert_allclose([row(table, n)["standardised_after"] for n in ("x0", "x1")], 0.0, atol=1e-12)
        assert max(abs(row(table, n)["standardised_before"]) for n in ("x0", "x1")) > 0.2


def test_sampling_weights_are_repeated_rows() -> None:
    copies = np.array([2, 1, 3, 1, 2, 2, 1])
    weighted = sample_of(MATRIX, SAMPLE.treatment.values, SAMPLE.outcome, weights=copies.astype(float))
    source = np.repeat(np.arange(7), copies)
    one = row(balance_table(weighted, copies[:, None].astype(float), bf.ATE()), "x1")
    two = row(balance_table(SAMPLE.take(source), np.ones((len(source), 1)), bf.ATE()), "x1")
    assert_allclose(list(one.values()), list(two.values()), rtol=1e-12)


def test_several_arms_have_a_row_per_contrast_and_covariate() -> None:
    three = world(200, arms=3)
    table = balance_table(three, np.ones((200, 2)), bf.ATE())
    assert len(table) == 6
    assert set(table.column("contrast")) == set(three.treatment.terms)


def test_a_constant_column_is_balanced_and_nothing_is_undefined() -> None:
    flat = np.column_stack([MATRIX, np.full(7, 3.5)])
    table = balance_table(sample_of(flat, SAMPLE.treatment.values, SAMPLE.outcome), EVEN, bf.ATE())
    assert row(table, "x2")["standardised_before"] == 0.0
    assert table.column("variance_ratio_before")[2] is None
    assert all(not (isinstance(v, float) and np.isnan(v)) for r in table.rows for v in r)


def test_an_arm_without_weight_is_our_error() -> None:
    with pytest.raises(EmptyArm, match="no weight"):
        balance_table(SAMPLE, np.where(MATRIX[:, :1] >= 0, SAMPLE.treatment.values[:, None], 0.0), bf.ATE())


def test_the_love_plot_is_self_contained() -> None:
    spec = love_plot(balance_table(SAMPLE, EVEN, bf.ATE())).spec
    json.dumps(spec, allow_nan=False)
    assert len(spec["data"]["values"]) == 4
