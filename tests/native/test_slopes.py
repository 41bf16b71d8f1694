"""Effects with slopes against a slow twin, and what the twin cannot promise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from butfor.core.errors import InvalidSetting
from butfor.native.forest import Columns, Forest, Growth, Kind, grow_forest
from butfor.native.slopes import Slopes
from tests.native.forest_twin import Random, positive_part

PENALTIES = np.array([[3.0, 1.0, 0.5], [0.1, 0.1, 0.1]])


def grown(n: int = 300, seed: int = 0, **settings: Any) -> Slopes:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4))
    t = rng.normal(size=n)
    y = 3.0 * (t * (1.0 + x[:, 0] + np.maximum(x[:, 1], 0.0)) + rng.normal(size=n))
    weights = rng.uniform(0.5, 2.0, n) if settings.pop("weighted", False) else None
    clusters = np.repeat(np.arange(n // 3), 3) if settings.pop("clustered", False) else None
    columns = Columns(x, y, t, weights=weights, clusters=clusters)
    growth = Growth(**({"trees": 40} | settings))
    return Slopes(grow_forest(Kind.CAUSAL, columns, growth, seed=seed, keep_members=True), columns, x[:, :3])


def leaf_rows(forest: Forest, tree: int, point: np.ndarray) -> np.ndarray:
    """The rows behind the leaf of a point (given in bins), node by node."""
    trees, node = forest.trees, 0
    while True:
        word = int(trees.nodes[trees.node_start[tree] + node])
        feature, limit, shift, following = word & 0xFFFF, (word >> 16) & 0xFF, (word >> 24) & 0xFF, word >> 32
        if limit == 0:
            break
        node = following + (0 if (int(point[feature]) - shift) % 256 < limit else 1)
    leaf = int(trees.leaf_start[tree]) + following
    return trees.members[(0 if leaf == 0 else trees.member_end[leaf - 1]) : trees.member_end[leaf]]


def twin(
    slopes: Slopes, point: np.ndarray, along: np.ndarray, penalty: np.ndarray, bags: list[int]
) -> tuple[float, float]:
    """The effect at a point and its variance, from the weights of rows: α of each tree, one at a time."""
    forest, columns = slopes.forest, slopes.columns
    t, y = np.asarray(columns.treatment), np.asarray(columns.outcome)
    w = np.ones(len(t)) if forest.row_weights is None else forest.row_weights
    features = np.column_stack([np.ones(len(t)), t, t[:, None] * slopes.along])
    k = forest.growth.bag_size
    alphas = np.zeros((len(bags), k, len(t)))
    for place, bag in enumerate(bags):
        for i in range(k):
            rows = leaf_rows(forest, bag * k + i, point)
            alphas[place, i, rows] = w[rows] / w[rows].sum()
    alpha = alphas.mean(axis=(0, 1))
    gram = (features * alpha[:, None]).T @ features
    gram += gram[1, 1] * np.diag(np.r_[0.0, 0.0, penalty])
    at = np.r_[0.0, 1.0, along]
    theta = np.linalg.solve(gram, features.T @ (alpha * y))
    pull = (features @ np.linalg.solve(gram, at)) * (y - features @ theta)
    each = alphas @ pull
    each -= each.mean()
    bag = each.mean(axis=1)
    noise = np.sum((each - bag[:, None]) ** 2) / (len(bags) * (k - 1)) / k
    between = float(np.mean(bag**2))
    error = np.sqrt(2 / len(bags) * (between**2 + noise**2 / (k - 1)))
    return float(at @ theta), positive_part(between - noise, float(error))


def bags_without(slopes: Slopes, row: int) -> list[int]:
    """The bags that did not draw a row, by the twin's random numbers."""
    forest, n = slopes.forest, len(slopes.along)
    clusters = slopes.columns.clusters
    units = n if clusters is None else int(np.max(clusters)) + 1
    unit = row if clusters is None else int(clusters[row])
    size = forest.growth.bag_size
    draws = (
        Random(forest.seed, bag * (size + 1)).select(list(range(units)), units // 2)[0]
        for bag in range(forest.growth.bags)
    )
    return [bag for bag, drawn in enumerate(draws) if unit not in drawn]


@pytest.mark.parametrize("settings", [{}, {"weighted": True}, {"bag_size": 4}, {"honesty": 0.0, "min_node_size": 20}])
def test_new_points_get_the_planes_of_the_twin(settings: dict[str, Any]) -> None:
    slopes = grown(**settings)
    points = np.random.default_rng(5).normal(size=(12, 4))
    found = slopes.at(points, points[:, :3], PENALTIES)
    codes = slopes.forest.encode(points).T
    everywhere = list(range(slopes.forest.growth.bags))
    for i in range(12):
        for j in range(2):
            value, variance = twin(slopes, codes[i], points[i, :3], PENALTIES[j], everywhere)
            assert_allclose(found.value[i, j], value, rtol=1e-10)
        assert_allclose(found.variance[i], variance, rtol=1e-8)


@pytest.mark.parametrize("settings", [{}, {"clustered": True}, {"weighted": True, "subsample": 0.3}])
def test_rows_of_the_forest_ask_the_bags_without_them(settings: dict[str, Any]) -> None:
    slopes = grown(**settings)
    found = slopes.outside(PENALTIES)
    codes = slopes.forest.encode(slopes.columns.covariates).T
    for row in (0, 7, 150, 299):
        value, variance = twin(slopes, codes[row], slopes.along[row], PENALTIES[1], bags_without(slopes, row))
        assert_allclose(found.value[row, 1], value, rtol=1e-10)
        assert_allclose(found.variance[row], variance, rtol=1e-8)


def test_slopes_that_cost_everything_leave_the_plain_forest() -> None:
    slopes = grown(clustered=True)
    found, plain = slopes.outside(np.full((1, 3), 1e9)), slopes.forest.outside
    assert_allclose(found.value, plain.value, rtol=0, atol=1e-7)
    assert_allclose(found.variance, plain.variance[:, 0], rtol=0, atol=1e-6)
    assert_allclose(found.monte_carlo, plain.monte_carlo[:, 0], rtol=0, atol=1e-6)


def test_effects_on_a_plane_are_exact_without_noise_where_slopes_cost_nothing() -> None:
    rng = np.random.default_rng(1)
    x, t = rng.normal(size=(400, 3)), rng.normal(size=400)
    effect = 2.0 + x @ np.array([1.0, -0.5, 0.0])
    columns = Columns(x, t * effect, t)
    slopes = Slopes(grow_forest(Kind.CAUSAL, columns, Growth(trees=50), keep_members=True), columns, x)
    found = slopes.outside(np.full((1, 3), 1e-9))
    assert_allclose(found.value[:, 0], effect, rtol=0, atol=1e-6)
    assert_allclose(found.variance, 0.0, rtol=0, atol=1e-9)


def test_the_bits_do_not_depend_on_the_number_of_threads() -> None:
    slopes = grown(700)
    one, three = slopes.outside(PENALTIES, threads=1), slopes.outside(PENALTIES, threads=3)
    assert_array_equal(one.value, three.value)
    assert_array_equal(one.variance, three.variance)
    assert_array_equal(one.monte_carlo, three.monte_carlo)


def test_units_of_outcome_and_treatment_scale_through() -> None:
    slopes = grown()
    columns = slopes.columns
    scaled = Columns(columns.covariates, 1e6 * np.asarray(columns.outcome), 1e-4 * np.asarray(columns.treatment))
    other = Slopes(grow_forest(Kind.CAUSAL, scaled, Growth(trees=40), keep_members=True), scaled, slopes.along)
    one, two = slopes.outside(PENALTIES), other.outside(PENALTIES)
    assert_allclose(two.value, 1e10 * one.value, rtol=1e-7)
    assert_allclose(two.variance, 1e20 * one.variance, rtol=1e-6)


@pytest.mark.parametrize(
    "penalties", [np.zeros((1, 3)), np.full((1, 2), 1.0), np.full((0, 3), 1.0), np.full((1, 3), np.nan)], ids=repr
)
def test_penalties_that_fit_nothing_are_refused(penalties: np.ndarray) -> None:
    with pytest.raises(InvalidSetting):
        grown(60, trees=4, min_node_size=2).outside(penalties)


def test_a_forest_without_members_is_refused() -> None:
    slopes = grown(60, trees=4)
    bare = grow_forest(Kind.CAUSAL, slopes.columns, Growth(trees=4))
    with pytest.raises(InvalidSetting, match="members"):
        Slopes(bare, slopes.columns, slopes.along).outside(PENALTIES)


def test_columns_that_are_no_numbers_are_refused() -> None:
    slopes = grown(60, trees=4)
    hole = slopes.along.copy()
    hole[3, 1] = np.nan
    with pytest.raises(InvalidSetting, match="finite"):
        Slopes(slopes.forest, slopes.columns, hole).outside(PENALTIES)
