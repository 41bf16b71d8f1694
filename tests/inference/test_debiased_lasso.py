"""The debiased lasso: optimality conditions, least squares where nothing is shrunk, bounds where something is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from butfor.core.errors import Collinear
from butfor.inference.debiased_lasso import Rows, _lasso, debiased_lasso, directions, post_lasso

FREE = np.array([0])


def world(n: int = 200, k: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray, Rows]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, k))
    x[:, 1:] += 0.5 * x[:, [0]]
    x[:, 0] = 1.0
    y = 2 + x[:, 1] + rng.normal(size=n) * (1 + 0.5 * np.abs(x[:, 2]))
    return x, y, Rows(rng.dirichlet(np.full(n, 5.0)), np.arange(n))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), size=st.floats(0.01, 1.0))
def test_the_lasso_satisfies_its_optimality_conditions(seed: int, size: float) -> None:
    """The score of a column is its penalty with the slope's sign, or smaller where the slope is zero."""
    x, y, rows = world(seed=seed)
    penalty = size * np.random.default_rng(seed).uniform(0.1, 1.0, x.shape[1])
    beta = _lasso(x, y, rows.weights, penalty)
    score = (rows.weights * (y - x @ beta)) @ x
    assert np.all(np.abs(score) <= penalty + 1e-4)
    active = beta != 0
    assert_allclose(score[active], (penalty * np.sign(beta))[active], rtol=0, atol=1e-4)


def test_orthogonal_columns_give_least_squares() -> None:
    """Nothing can explain a column but itself, so that all that was shrunk is given back."""
    rng = np.random.default_rng(2)
    n = 64
    basis = np.linalg.qr(rng.normal(size=(n, 8)))[0] * np.sqrt(n)
    y = basis[:, 1] + rng.normal(size=n)
    found = debiased_lasso(basis, y, Rows(np.full(n, 1 / n), np.arange(n)), FREE)
    assert_allclose(found.value, np.linalg.lstsq(basis, y, rcond=None)[0], rtol=0, atol=1e-10)
    assert np.sum(found.chosen == 0) >= 5


def test_one_column_beside_free_ones_gives_least_squares() -> None:
    x, y, rows = world(k=3)
    root = np.sqrt(rows.weights)
    expected = np.linalg.lstsq(x * root[:, None], y * root, rcond=None)[0]
    assert_allclose(debiased_lasso(x, y, rows, np.array([0, 1])).value, expected, rtol=0, atol=1e-10)


def test_the_distance_from_least_squares_is_what_theory_allows() -> None:
    """b − β_ols = (I − ΘΣ)(β̃ − β_ols), and the columns chosen for each keep I − ΘΣ small."""
    x, y, rows = world()
    x[:, 1:] -= rows.weights @ x[:, 1:]
    x[:, 1:] /= np.sqrt(rows.weights @ x[:, 1:] ** 2)
    y = y - rows.weights @ y
    found = debiased_lasso(x, y, rows, FREE)
    root = np.sqrt(rows.weights)
    plain = np.linalg.lstsq(x * root[:, None], y * root, rcond=None)[0]
    direction = directions(x[:, 1:], rows)
    off = np.eye(x.shape[1] - 1) - (direction * rows.weights[:, None]).T @ x[:, 1:]
    assert_allclose(np.diag(off), 0.0, rtol=0, atol=1e-10)
    assert_allclose(found.value[1:] - plain[1:], off @ (found.chosen - plain)[1:], rtol=0, atol=1e-8)
    assert np.abs(off).max() < 0.5


def test_influence_functions_average_to_zero_and_add_up_to_the_step() -> None:
    x, y, rows = world()
    found = debiased_lasso(x, y, rows, FREE)
    assert_allclose(found.influence.mean(axis=0), 0.0, rtol=0, atol=1e-8)
    errors = np.sqrt((found.influence**2).sum(axis=0)) / len(y)
    assert found.value[1] > 5 * errors[1]


def test_units_of_measurement_do_not_matter() -> None:
    x, y, rows = world()
    scale = np.r_[1.0, 10.0 ** np.arange(-5, 6)]
    one, two = debiased_lasso(x, y, rows, FREE), debiased_lasso(x * scale, 1000 * y, rows, FREE)
    assert_allclose(two.value * scale, 1000 * one.value, rtol=0, atol=1e-4)


def test_repeated_rows_are_one_unit_with_their_weight() -> None:
    x, y, _ = world()
    copies = np.random.default_rng(1).integers(1, 4, 200)
    source = np.repeat(np.arange(200), copies)
    weighted = debiased_lasso(x, y, Rows(copies / copies.sum(), np.arange(200)), FREE)
    repeated = debiased_lasso(x[source], y[source], Rows(np.full(len(source), 1 / len(source)), source), FREE)
    assert_allclose(repeated.value, weighted.value, rtol=0, atol=1e-6)


def test_more_columns_than_rows_find_the_few_that_matter() -> None:
    rng = np.random.default_rng(4)
    n, k = 120, 150
    x = rng.normal(size=(n, k))
    x[:, 0] = 1.0
    y = 1 + 2 * x[:, 1] - 2 * x[:, 2] + rng.normal(size=n)
    found = debiased_lasso(x, y, Rows(np.full(n, 1 / n), np.arange(n)), FREE)
    assert set(np.flatnonzero(found.chosen)) == {0, 1, 2}
    errors = np.sqrt((found.influence**2).sum(axis=0)) / n
    assert np.all(np.abs(found.value[:3] - [1, 2, -2]) < 4 * errors[:3])


def test_what_chance_explains_is_not_selected() -> None:
    """The penalty exceeds all scores of columns that do not matter with probability near 1 − 0.1 / log n."""
    empty = 0
    for seed in range(40):
        x, _, rows = world(seed=seed)
        noise = np.random.default_rng(seed + 1000).normal(size=200)
        empty += not post_lasso(x[:, 1:], noise, rows).any()
    # P(Bin(40, 1 − 0.1 / log 200) < 36) is below one in a thousand.
    assert empty >= 36


@pytest.mark.parametrize("column", ["constant", "copy", "sum", "free"])
def test_columns_that_say_the_same_are_refused(column: str) -> None:
    x, y, rows = world()
    x[:, 3] = {"constant": np.ones(200), "copy": x[:, 4], "sum": x[:, 4] - x[:, 5], "free": x[:, 0]}[column]
    free = np.array([0, 3]) if column == "free" else FREE
    with pytest.raises(Collinear) as caught:
        debiased_lasso(x, y, rows, free)
    assert caught.value.hint
