"""The same seed gives the same numbers, streams have nothing in common, and nothing is global."""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_array_equal

from butfor.core.rng import generator, seed_of, streams


def test_a_generator_is_used_as_it_is() -> None:
    rng = np.random.default_rng(1)
    assert generator(rng) is rng


def test_a_seed_gives_the_same_numbers_again() -> None:
    assert_array_equal(generator(7).random(10), generator(7).random(10))
    for one, two in zip(streams(7, 3), streams(7, 3), strict=True):
        assert_array_equal(one.random(10), two.random(10))
    assert seed_of(7) == seed_of(7)
    assert 0 <= seed_of(7) < 2**31


def test_more_streams_leave_the_first_ones_alone() -> None:
    for one, two in zip(streams(7, 2), streams(7, 5), strict=False):
        assert_array_equal(one.random(10), two.random(10))


def test_streams_are_independent() -> None:
    draws = np.array([s.normal(size=2000) for s in streams(7, 6)])
    apart = np.corrcoef(draws)[np.triu_indices(6, 1)]
    # Correlations of independent normals have standard deviation 1/sqrt(n); fifteen of them within five.
    assert np.abs(apart).max() < 5 / np.sqrt(2000)


def test_a_generator_gives_new_streams_each_time() -> None:
    rng = np.random.default_rng(3)
    assert not np.array_equal(streams(rng, 1)[0].random(5), streams(rng, 1)[0].random(5))


def test_numpys_global_state_is_left_alone() -> None:
    before = np.random.get_state()[1].copy()  # type: ignore[union-attr, index]
    generator(0).random()
    streams(0, 3)
    seed_of(0)
    assert_array_equal(np.random.get_state()[1], before)  # type: ignore[index]
