"""Co-moments against their NumPy twin, and the promises that the twin cannot make."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from butfor.core.errors import InvalidSetting
from butfor.native.moments import CoMoments, comoments
from tests.native import twin

# 70,000 rows are two chunks, many blocks and a rest.
LONG = 70_001


def world(n: int, p: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, p)) @ rng.normal(size=(p, p)) + rng.normal(size=p)


def assert_twin(found: CoMoments, group: int, rows: np.ndarray, weights: np.ndarray) -> None:
    weight, squared, mean, comoment = twin.comoments(rows, weights)
    largest = np.abs(rows).max(initial=1e-300)
    noise = 1e-12 * np.diag(comoment).max(initial=0.0) + weight * (1e-15 * largest) ** 2
    assert found.count[group] == len(rows)
    assert_allclose(found.weight[group], weight, rtol=1e-12)
    assert_allclose(found.weight_squared[group], squared, rtol=1e-12)
    assert_allclose(found.mean[group], mean, rtol=1e-12, atol=1e-15 * largest)
    assert_allclose(found.comoment[group], comoment, rtol=1e-12, atol=noise)


@pytest.mark.parametrize("n", [1, 7, 8, 247, 248, 249, 65_536, LONG])
@pytest.mark.parametrize("p", [1, 3, 4, 13])
def test_one_group_is_the_twin(n: int, p: int) -> None:
    rows = world(n, p)
    assert_twin(comoments(rows), 0, rows, np.ones(n))


def test_groups_and_weights_are_the_twin_of_each_group() -> None:
    rng = np.random.default_rng(1)
    rows, weights = world(LONG, 5), rng.random(LONG)
    groups = rng.integers(0, 4, LONG)
    found = comoments(rows, weights, groups, 4)
    for g in range(4):
        assert_twin(found, g, rows[groups == g], weights[groups == g])


def test_thousands_of_groups_are_the_twin_of_each_group() -> None:
    rng = np.random.default_rng(2)
    rows, groups = world(20_000, 2), rng.integers(0, 3_000, 20_000)
    found = comoments(rows, None, groups, 3_000)
    assert found.count.sum() == 20_000
    for g in (0, 1_234, 2_999):
        assert_twin(found, g, rows[groups == g], np.ones((groups == g).sum()))


@pytest.mark.parametrize("threads", [2, 3, 8])
def test_the_same_bits_for_any_number_of_threads(threads: int) -> None:
    rng = np.random.default_rng(3)
    rows, weights, groups = world(3 * LONG, 3), rng.random(3 * LONG), rng.integers(0, 2, 3 * LONG)
    one, many = (comoments(rows, weights, groups, 2, threads=t) for t in (1, threads))
    for field in dataclasses.fields(CoMoments):
        assert_array_equal(getattr(one, field.name), getattr(many, field.name))


def test_a_mean_of_a_billion_loses_no_digits() -> None:
    small = np.random.default_rng(4).integers(-512, 512, size=(LONG, 3)) / 1024.0
    found = comoments(small + 1e9)  # exact: 1e9 + k/1024 needs 40 of 53 bits
    _, _, mean, comoment = twin.comoments(small, np.ones(LONG))
    assert_allclose(found.mean[0] - 1e9, mean, rtol=0, atol=2.0**-24)  # half the gap between neighbours of 1e9
    assert_allclose(found.comoment[0], comoment, rtol=1e-12, atol=1e-12 * comoment.max())


def test_an_outlier_in_front_costs_the_others_nothing() -> None:
    rows = world(LONG, 2)
    groups = np.zeros(LONG, dtype=int)
    rows[0], groups[0] = 1e12, 1
    assert_twin(comoments(rows, None, groups, 2), 0, rows[1:], np.ones(LONG - 1))


def test_an_empty_group_is_all_zeros() -> None:
    found = comoments(world(10, 2), None, np.repeat([0, 2], 5), 3)
    for field in dataclasses.fields(CoMoments):
        assert_array_equal(getattr(found, field.name)[1], 0.0)


def test_no_rows_and_no_weight_are_zeros() -> None:
    assert_array_equal(comoments(np.empty((0, 2))).comoment, np.zeros((1, 2, 2)))
    found = comoments(world(10, 2), np.zeros(10))
    assert found.count[0] == 10
    assert_array_equal(found.comoment, np.zeros((1, 2, 2)))


def test_rows_without_weight_in_front_change_nothing() -> None:
    rows = world(2_000, 3)
    weights = np.r_[np.zeros(1_000), np.ones(1_000)]
    assert_twin(comoments(rows, weights), 0, rows, weights)


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 600),
    p=st.integers(1, 9),
    shift=st.sampled_from([0.0, 1.0, -1e3, 1e6]),
    seed=st.integers(0, 2**32 - 1),
)
def test_integer_weights_are_repeated_rows(n: int, p: int, shift: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, times = rng.normal(size=(n, p)) + shift, rng.integers(0, 4, n)
    weighted, repeated = comoments(rows, times.astype(float)), comoments(np.repeat(rows, times, axis=0))
    assert weighted.weight[0] == repeated.weight[0] == repeated.count[0]
    atol = 1e-13 * (1 + abs(shift)) * n * 10
    assert_allclose(weighted.mean, repeated.mean, atol=1e-13 * (1 + abs(shift)))
    assert_allclose(weighted.comoment, repeated.comoment, rtol=1e-9, atol=atol)


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 400), p=st.integers(1, 6), groups=st.integers(1, 5), seed=st.integers(0, 2**32 - 1))
def test_any_world_is_the_twin(n: int, p: int, groups: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, weights, codes = rng.normal(size=(n, p)), rng.random(n), rng.integers(0, groups, n)
    found = comoments(rows, weights, codes, groups)
    for g in range(groups):
        assert_twin(found, g, rows[codes == g], weights[codes == g])


def test_layout_and_type_do_not_matter() -> None:
    rows = world(500, 4)
    for other in (np.asfortranarray(rows), rows[::-1][::-1], np.repeat(rows, 2, axis=1)[:, ::2]):
        assert_array_equal(comoments(other).comoment, comoments(rows).comoment)
    counts = np.arange(20, dtype=np.int8).reshape(10, 2)
    assert_array_equal(comoments(counts).mean, [[9.0, 10.0]])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"weights": np.ones(3)}, r"weights has shape \(3,\)"),
        ({"weights": -np.ones(10)}, "least weight is -1.0"),
        ({"weights": np.full(10, np.nan)}, "least weight is nan"),
        ({"groups": np.arange(10), "group_count": 3}, "run from 0 to 9"),
        ({"groups": np.zeros(10), "group_count": 1}, "groups are float64"),
        ({"groups": np.full(10, 2**32), "group_count": 1}, "run from 4294967296"),
        ({"group_count": 2}, "group_count is 2"),
        ({"groups": np.zeros(10, dtype=int), "group_count": 0}, "group_count is 0"),
        ({"threads": 0}, "threads is 0"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidSetting, match=words):
        comoments(np.ones((10, 2)), **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e200])
def test_values_that_are_not_finite_are_refused(bad: float) -> None:
    rows = world(1_000, 3)
    rows[500, 1] = bad
    with pytest.raises(InvalidSetting, match="not finite"):
        comoments(rows)


def test_a_vector_is_not_a_matrix() -> None:
    with pytest.raises(InvalidSetting, match="1 dimensions"):
        comoments(np.ones(10))


def test_no_columns_still_count_the_rows() -> None:
    found = comoments(np.empty((5, 0)), np.arange(5.0), np.array([0, 0, 1, 1, 1]), 2)
    assert_array_equal(found.count, [2.0, 3.0])
    assert_array_equal(found.weight, [1.0, 9.0])
    assert found.mean.shape == (2, 0)
    assert found.comoment.shape == (2, 0, 0)
