"""Tetrads against data: the standard error by its definition and by Wishart's formula, size, power, odd columns."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

import butfor as bf
from butfor.core.errors import InvalidSetting, MethodMismatch, TooFewRows
from butfor.identify.implications import Tetrad
from butfor.refute.graph.check import check_graph
from butfor.refute.graph.tetrad_tests import Tetrads

Array = NDArray[np.float64]
Columns = dict[str, NDArray[Any]]

TRAIT = "f [latent]; f -> a; f -> b; f -> c; f -> d"
TETRAD = Tetrad(("a", "b"), ("c", "d"), "f")
LOADINGS = np.array([0.6, 0.9, 1.2, 1.5])


def normal(rng: np.random.Generator, size: tuple[int, ...]) -> Array:
    return rng.normal(size=size)


def skewed(rng: np.random.Generator, size: tuple[int, ...]) -> Array:
    return rng.exponential(size=size) - 1.0


def one_trait(n: int, seed: int, draw: Callable[[np.random.Generator, tuple[int, ...]], Array] = normal) -> Columns:
    rng = np.random.default_rng(seed)
    return dict(zip("abcd", np.outer(LOADINGS, draw(rng, (n,))) + draw(rng, (4, n)), strict=True))


def two_traits(n: int, seed: int) -> Columns:
    """a and c share more than the trait of all four."""
    columns = one_trait(n, seed)
    more = np.random.default_rng(seed + 10_000).normal(size=n)
    return columns | {"a": columns["a"] + 0.7 * more, "c": columns["c"] + 0.7 * more}


def difference(moments: Array) -> float:
    """Of the means of a, b, c, d and of ac, bd, ad, bc."""
    a, b, c, d, ac, bd, ad, bc = moments
    return float((ac - a * c) * (bd - b * d) - (ad - a * d) * (bc - b * c))


def test_the_statistic_is_the_delta_method_on_raw_moments() -> None:
    columns = one_trait(60, 1, skewed)
    a, b, c, d = columns.values()
    rows = np.column_stack([a, b, c, d, a * c, b * d, a * d, b * c])
    mean, step = rows.mean(axis=0), 1e-6
    gradient = np.array([(difference(mean + e) - difference(mean - e)) / (2 * step) for e in step * np.eye(8)])
    error = np.sqrt(gradient @ np.cov(rows, rowvar=False, bias=True) @ gradient / 60)
    found = Tetrads().test(columns, TETRAD)
    assert found.statistic == pytest.approx(difference(mean) / error, rel=1e-6)
    assert found.p_value == pytest.approx(2 * stats.norm.sf(abs(found.statistic)))
    correlations = np.corrcoef([a, b, c, d])
    assert found.effect == pytest.approx(
        correlations[0, 2] * correlations[1, 3] - correlations[0, 3] * correlations[1, 2]
    )


def test_the_standard_error_of_normal_columns_is_wisharts() -> None:
    """n var = |Σ_ab| |Σ_cd| − |Σ| for a tetrad that vanishes (Wishart 1928, Biometrika 20A, for large n)."""
    n = 200_000
    columns = one_trait(n, 0)
    sigma = np.outer(LOADINGS, LOADINGS) + np.eye(4)
    variance = np.linalg.det(sigma[:2, :2]) * np.linalg.det(sigma[2:, 2:]) - np.linalg.det(sigma)
    found = Tetrads().test(columns, TETRAD)
    error = found.effect / found.statistic * np.sqrt(np.prod(np.diag(sigma)))
    # The squared influences have a kurtosis below 100: five standard errors of their mean are below 6 %.
    assert n * error**2 == pytest.approx(variance, rel=0.06)


@pytest.mark.parametrize(("draw", "n"), list(product([normal, skewed], [50, 200])))
def test_a_right_tetrad_is_rejected_at_most_as_often_as_stated(draw: Callable[..., Array], n: int) -> None:
    rejected = sum(Tetrads().test(one_trait(n, seed, draw), TETRAD).p_value <= 0.05 for seed in range(600))
    assert rejected <= stats.binom.ppf(0.999, 600, 0.05)


def test_size_with_many_rows() -> None:
    rejected = sum(Tetrads().test(one_trait(2_000, seed), TETRAD).p_value <= 0.05 for seed in range(1_000))
    low, high = stats.binom.interval(0.999, 1_000, 0.05)
    assert low <= rejected <= high


def test_power() -> None:
    rejected = sum(Tetrads().test(two_traits(400, seed), TETRAD).p_value <= 0.05 for seed in range(100))
    assert rejected >= 90


def test_units_do_not_matter() -> None:
    columns = one_trait(200, 2)
    found = Tetrads().test(columns, TETRAD)
    scaled = {name: 1e6 + 1e-3 * values for name, values in columns.items()}
    again = Tetrads().test(scaled, TETRAD)
    assert again.statistic == pytest.approx(found.statistic, rel=1e-5)
    assert again.effect == pytest.approx(found.effect, rel=1e-5)


def test_odd_columns() -> None:
    columns = one_trait(200, 3)
    constant = Tetrads().test(columns | {"a": np.full(200, 0.1)}, TETRAD)
    assert (constant.p_value, constant.effect) == (1.0, 0.0)
    same = Tetrads().test(dict.fromkeys("abcd", columns["a"]), TETRAD)
    assert same.p_value == 1.0
    with pytest.raises(MethodMismatch, match="'b' holds text"):
        Tetrads().test(columns | {"b": np.array(["u", "v"] * 100)}, TETRAD)
    with pytest.raises(TooFewRows, match="19 rows"):
        Tetrads().test({name: values[:19] for name, values in columns.items()}, TETRAD)


def test_tetrads_are_tested_on_request_only() -> None:
    graph = bf.CausalGraph.from_any(TRAIT)
    assert not check_graph(graph, two_traits(400, 0)).rows
    right = check_graph(graph, one_trait(400, 0), further=(Tetrads(),))
    assert [row.kind for row in right.rows] == ["tetrad"] * 3
    assert str(right.verdict) == "not rejected"
    assert "none of the 3 implied tetrads" in right.words
    wrong = check_graph(graph, two_traits(400, 0), further=(Tetrads(),))
    assert "most clearly cov(a, " in wrong.words
    # cov(a, c) has the surplus: the tetrad without it holds.
    assert [str(row.implication).count("cov(a, c)") for row in wrong.rows if row.rejected] == [1, 1]


def test_tetrads_among_some_of_many() -> None:
    names = tuple(f"v{i:02d}" for i in range(60))
    graph = bf.CausalGraph((*names, "f"), tuple(("f", n) for n in names), latent=frozenset({"f"}))
    noise = np.random.default_rng(0).normal(size=(61, 100))
    data = dict(zip(names, noise[:60] + noise[60], strict=True))
    with pytest.raises(InvalidSetting, match="at most about 40"):
        check_graph(graph, data, further=(Tetrads(),))
    assert len(check_graph(graph, data, further=(Tetrads(names[:5]),)).rows) == 15
