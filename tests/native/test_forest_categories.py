"""Splits of categories: against the twin, against every way to part them, and with values that were not there."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from butfor.core.errors import InvalidSetting
from butfor.native.forest import Columns, Growth, Kind, grow_forest
from butfor.native.forest_curves import Curves
from tests.native.test_forest import assert_twin, several


def shops(n: int, levels: int, seed: int = 0, missing: float = 0.0) -> Columns:
    """Effects that depend on a category without any order, and on a number."""
    rng = np.random.default_rng(seed)
    shop, x = rng.integers(0, levels, n), rng.normal(size=n)
    instrument = rng.normal(size=n)
    treatment = 0.5 * instrument + rng.normal(size=n)
    outcome = treatment * rng.normal(size=levels)[shop] + rng.normal(size=levels)[shop] + x + rng.normal(size=n)
    covariates = np.column_stack([np.where(rng.random(n) < missing, np.nan, 7.0 * shop), x])
    event = (rng.random(n) < 0.7).astype(float)
    return Columns(covariates, outcome, treatment, instrument, event=event, categories=(0,))


@pytest.mark.parametrize("kind", [k for k in Kind if k is not Kind.QUANTILE])
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_every_kind_is_the_twin(kind: Kind, missing: float) -> None:
    # Ranks tie: the order of categories with equal means is a matter of rounding in some worlds, not in this one.
    assert_twin(kind, shops(150, 6, 2, missing), Growth(trees=40, min_node_size=3))


@pytest.mark.parametrize("kind", [Kind.CAUSAL, Kind.LINEAR])
def test_several_treatments_are_the_twin(kind: Kind) -> None:
    columns = several(250, 2, 2, kind is Kind.CAUSAL, 3)
    shop = np.random.default_rng(0).integers(0, 7, 250)
    outcome = columns.outcome + columns.treatment @ np.random.default_rng(1).normal(size=(2, 7))[:, shop].sum(axis=1)
    columns = replace(columns, covariates=np.column_stack([shop, columns.covariates]), outcome=outcome, categories=(0,))
    assert_twin(kind, columns, Growth(trees=40, min_node_size=3), seed=2)


@settings(max_examples=15, deadline=None)
@given(
    n=st.integers(40, 120),
    levels=st.integers(1, 40),
    missing=st.sampled_from([0.0, 0.2, 0.9]),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_world_is_the_twin(n: int, levels: int, missing: float, seed: int) -> None:
    assert_twin(Kind.CAUSAL, shops(n, levels, seed, missing), Growth(trees=40, min_node_size=2), seed=seed)


@pytest.mark.parametrize("seed", range(5))
def test_no_other_way_to_part_the_categories_fits_better(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shop = np.repeat(np.arange(7), 10)
    y = rng.normal(size=7)[shop] + 0.5 * rng.normal(size=70)
    growth = Growth(trees=1, bag_size=1, subsample=1.0, honesty=0.0, min_node_size=30, alpha=0.0)
    forest = grow_forest(Kind.REGRESSION, Columns(shop[:, None], y, categories=(0,)), growth)
    found = forest.predict(shop[:, None].astype(float)).value[:, 0]
    least = min(
        sum(((y[side] - y[side].mean()) ** 2).sum() for side in (np.isin(shop, group), ~np.isin(shop, group)))
        for size in (3, 4)
        for group in combinations(range(7), size)
    )
    assert_allclose(((y - found) ** 2).sum(), least)


def test_the_codes_of_categories_do_not_matter() -> None:
    columns = shops(600, 9)
    growth = Growth(trees=60)
    renamed = np.array([5.0, -3.0, 1e6, 0.25, 8.0, 2.0, 1.0, 77.0, -0.5])
    shop = (columns.covariates[:, 0] / 7.0).astype(int)
    other = replace(columns, covariates=np.column_stack([renamed[shop], columns.covariates[:, 1]]))
    one, two = (grow_forest(Kind.CAUSAL, c, growth).outside for c in (columns, other))
    assert_allclose(two.value, one.value, rtol=1e-10)


def test_a_category_that_was_not_there_is_treated_like_a_missing_one() -> None:
    columns = shops(400, 5)
    forest = grow_forest(Kind.CAUSAL, columns, Growth(trees=60))
    known, unknown, missing = (forest.predict(np.array([[v, 0.0]])).value for v in (7.0, 10.0, np.nan))
    assert_array_equal(unknown, missing)
    assert known != unknown


def test_categories_are_parted_where_an_order_would_need_many_cuts() -> None:
    rng = np.random.default_rng(0)
    shop = rng.integers(0, 100, 1000)  # two or three splitting rows each: too few for an ordered cut on either side
    y = (shop % 2) * 2.0 + 0.3 * rng.normal(size=1000)
    growth = Growth(trees=100)
    errors = [
        float(np.mean((grow_forest(Kind.REGRESSION, c, growth).outside.value[:, 0] - (shop % 2) * 2.0) ** 2))
        for c in (Columns(shop[:, None], y, categories=(0,)), Columns(shop[:, None], y))
    ]
    assert errors[0] < errors[1] / 5.0


def test_weights_and_curves_follow_sets_too() -> None:
    columns = shops(300, 8)
    curves = Curves(grow_forest(Kind.SURVIVAL, columns, Growth(trees=40), keep_members=True), columns)
    alpha = curves.forest.weights(columns.covariates[:10])
    assert_allclose(alpha.sum(axis=1), 1.0)
    events = curves.forest.predict(columns.covariates[:10]).value[:, 0]
    assert_allclose(alpha @ columns.event, events)


def test_categories_that_do_not_fit_are_refused() -> None:
    columns = shops(600, 3)
    with pytest.raises(InvalidSetting, match="categories name column 2"):
        grow_forest(Kind.CAUSAL, replace(columns, categories=(2,)), Growth(trees=4))
    with pytest.raises(InvalidSetting, match="Column 1 has 600 categories"):
        grow_forest(Kind.CAUSAL, replace(columns, categories=(1,)), Growth(trees=4))
