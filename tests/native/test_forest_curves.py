"""Quantiles and survival from a forest's weights, against weights and definitions one row at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from butfor.core.errors import ConstantColumn, InvalidSetting
from butfor.native.forest import Columns, Forest, Growth, Kind, Trees, grow_forest
from butfor.native.forest_curves import Curves
from tests.native.forest_twin import Random, quantile, survival

LEVELS = np.array([0.05, 0.25, 0.5, 0.9])
TIMES = np.array([-1.0, 0.0, 0.1, 0.5, 0.5, 1.0, 3.0, 99.0])


def lives(n: int, seed: int = 0) -> Columns:
    """Exponential times that depend on the first covariate, censored, on a coarse clock so that many are tied."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3))
    time, censored = rng.exponential(np.exp(x[:, 0])), rng.exponential(2.0, n)
    seen = np.ceil(20.0 * np.minimum(time, censored)) / 20.0
    return Columns(x, seen, event=(time <= censored).astype(float))


def tree_of(forest: Forest, t: int) -> Forest:
    """The forest of tree t alone."""
    trees = forest.trees
    node, leaf = trees.node_start[t : t + 2], trees.leaf_start[t : t + 2]
    first = 0 if leaf[0] == 0 else trees.member_end[leaf[0] - 1]
    alone = Trees(
        trees.nodes[node[0] : node[1]],
        node - node[0],
        trees.leaves[leaf[0] : leaf[1]],
        leaf - leaf[0],
        trees.members[first : trees.member_end[leaf[1] - 1]],
        trees.member_end[leaf[0] : leaf[1]] - first,
    )
    return replace(forest, trees=alone)


def weights_outside(curves: Curves) -> np.ndarray:
    """α of every row at every row, by the trees of bags without it; NaN where there are none."""
    forest, columns = curves.forest, curves.columns
    n, k = len(columns.outcome), forest.growth.bag_size
    units = np.arange(n) if columns.clusters is None else np.asarray(columns.clusters)
    count, total, used = int(units.max()) + 1, np.zeros((n, n)), np.zeros(n)
    in_bag = count // 2 if k > 1 else round(forest.growth.subsample * count)
    for t in range(forest.trees.count):
        drawn, _ = Random(forest.seed, t // k * (k + 1)).select(list(range(count)), in_bag)
        outside = ~np.isin(units, drawn)
        total[outside] += tree_of(forest, t).weights(np.asarray(columns.covariates)[outside])
        used += outside
    with np.errstate(invalid="ignore"):
        return total / used[:, None]


def grown(kind: Kind, columns: Columns, **settings: Any) -> Curves:
    growth = Growth(**({"trees": 30, "min_node_size": 5} | settings))
    return Curves(grow_forest(kind, columns, growth, seed=2, keep_members=True), columns)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", [Kind.QUANTILE, Kind.REGRESSION])
def test_quantiles_at_points_are_those_of_the_weighted_rows(kind: Kind, weighted: bool) -> None:
    columns = lives(200)
    if weighted:
        columns = replace(columns, weights=np.random.default_rng(1).uniform(0.5, 2.0, 200))
    curves = grown(kind, columns)
    points = np.random.default_rng(3).normal(size=(20, 3))
    alpha = curves.forest.weights(points)
    expected = [[quantile(columns.outcome, a, level) for level in LEVELS] for a in alpha]
    assert_array_equal(curves.quantiles(LEVELS, points), expected)


@pytest.mark.parametrize("kaplan_meier", [True, False])
def test_survival_at_points_is_that_of_the_weighted_rows(kaplan_meier: bool) -> None:
    columns = lives(200)
    curves = grown(Kind.SURVIVAL, columns)
    points = np.random.default_rng(3).normal(size=(20, 3))
    alpha = curves.forest.weights(points)
    which = 0 if kaplan_meier else 1
    expected = [[survival(columns.outcome, columns.event, a, t)[which] for t in TIMES] for a in alpha]
    found = curves.survival(TIMES, points, kaplan_meier=kaplan_meier)
    assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("settings", [{}, {"bag_size": 3}, {"bag_size": 1, "subsample": 0.7}, {"clustered": True}])
def test_rows_of_the_forest_ask_the_bags_without_them(settings: dict[str, Any]) -> None:
    columns, settings = lives(120), dict(settings)
    if settings.pop("clustered", False):
        columns = replace(columns, clusters=np.arange(120) // 3)
    curves = grown(Kind.SURVIVAL, columns, **settings)
    alpha = weights_outside(curves)
    known = ~np.isnan(alpha[:, 0])
    expected = [[survival(columns.outcome, columns.event, a, t)[0] for t in TIMES] for a in alpha[known]]
    found = curves.survival(TIMES)
    assert_allclose(found[known], expected, rtol=1e-10, atol=1e-12)
    assert np.isnan(found[~known]).all()
    medians = [quantile(columns.outcome, a, 0.5) for a in alpha[known]]
    assert_array_equal(curves.quantiles(np.array([0.5]))[known, 0], medians)


def test_without_splits_survival_is_kaplan_meier_of_the_honest_rows() -> None:
    # Freireich et al. 1963, the 21 patients on 6-mercaptopurine; the estimates are those of Kalbfleisch and Prentice
    # 2002, table 1.1 (and of R's survfit): 0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448 after each death.
    time = np.array([6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35], dtype=float)
    event = np.array([1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0], dtype=float)
    columns = Columns(np.zeros((21, 1)), time, event=event)
    growth = Growth(trees=1, bag_size=1, subsample=1.0, honesty=0.0)
    curves = Curves(grow_forest(Kind.SURVIVAL, columns, growth, keep_members=True), columns)
    found = curves.survival(np.array([6.0, 7.0, 10.0, 13.0, 16.0, 22.0, 23.0]), np.zeros((1, 1)))
    assert_allclose(found[0], [0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448], atol=0.0006)
    assert_array_equal(curves.quantiles(np.array([0.5]), np.zeros((1, 1))), [[16.0]])


def test_a_survival_forest_learns_who_lives_longer() -> None:
    columns = lives(2000)
    curves = grown(Kind.SURVIVAL, columns, trees=300)
    points = np.array([[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    truth = np.exp(-1.0 / np.exp(points[:, 0]))  # at time 1
    assert_allclose(curves.survival(np.array([1.0]), points)[:, 0], truth, atol=0.1)


def test_a_quantile_forest_sees_spread_where_means_are_equal() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 3))
    columns = Columns(x, rng.normal(size=2000) * np.where(x[:, 0] > 0, 3.0, 1.0))
    curves = grown(Kind.QUANTILE, columns, trees=200)
    found = curves.quantiles(np.array([0.1, 0.9]), np.array([[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]))
    assert_allclose(found, 1.2816 * np.array([[-1.0, 1.0], [-3.0, 3.0]]), rtol=0.25)
    assert curves.forest.importance().argmax() == 0


@pytest.mark.parametrize("threads", [2, 5])
def test_the_same_bits_for_any_number_of_threads(threads: int) -> None:
    curves = grown(Kind.SURVIVAL, lives(700))
    assert_array_equal(curves.survival(TIMES, threads=1), curves.survival(TIMES, threads=threads))


@pytest.mark.parametrize(
    ("levels", "words"),
    [([0.0, 0.5], "0 < level < 1"), ([0.9, 0.1], "ascending"), ([], "ascending"), ([np.nan], "fin")],
)
def test_levels_that_do_not_fit_are_refused(levels: list[float], words: str) -> None:
    with pytest.raises(InvalidSetting, match=words):
        grown(Kind.QUANTILE, lives(60), trees=4).quantiles(np.array(levels))


def test_what_curves_need_is_asked_for() -> None:
    columns = lives(60)
    bare = grow_forest(Kind.QUANTILE, columns, Growth(trees=4))
    with pytest.raises(InvalidSetting, match="kept no members"):
        Curves(bare, columns).quantiles(LEVELS)
    with pytest.raises(InvalidSetting, match="event is None"):
        grown(Kind.QUANTILE, replace(columns, event=None), trees=4).survival(TIMES)
    with pytest.raises(InvalidSetting, match="event is None"):
        grow_forest(Kind.SURVIVAL, replace(columns, event=None), Growth(trees=4))
    with pytest.raises(InvalidSetting, match="needs 0 and 1"):
        grow_forest(Kind.SURVIVAL, replace(columns, event=columns.outcome), Growth(trees=4))
    with pytest.raises(ConstantColumn, match="event is 0"):
        grow_forest(Kind.SURVIVAL, replace(columns, event=np.zeros(60)), Growth(trees=4))
