"""Folds depend on what rows are, never on where they stand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from butfor.core.errors import InvalidSetting, TooFewRows
from butfor.nuisance.cache import NuisanceCache
from butfor.nuisance.folds import assign_folds, sample_folds
from tests.nuisance.samples import sample_of, world

KEYS = np.random.default_rng(0).integers(0, 2**63, size=1003, dtype=np.uint64)


def test_sizes_differ_by_one_at_most() -> None:
    sizes = np.bincount(assign_folds(KEYS, 5, 0), minlength=5)
    assert sizes.sum() == 1003
    assert sizes.max() - sizes.min() <= 1


def test_order_does_not_matter() -> None:
    order = np.random.default_rng(1).permutation(len(KEYS))
    assert_array_equal(assign_folds(KEYS[order], 5, 3), assign_folds(KEYS, 5, 3)[order])


def test_seed_decides() -> None:
    assert_array_equal(assign_folds(KEYS, 5, 3), assign_folds(KEYS.copy(), 5, 3))
    agreement = np.mean(assign_folds(KEYS, 5, 3) == assign_folds(KEYS, 5, 4))
    # Independent folds agree for one row in five; six standard errors of a share among 1003 rows.
    assert abs(agreement - 0.2) < 6 * np.sqrt(0.2 * 0.8 / len(KEYS))


def test_folds_are_independent_of_the_key_as_a_number() -> None:
    folds = assign_folds(np.arange(5000, dtype=np.uint64), 5, 0)
    assert abs(np.corrcoef(folds, np.arange(5000))[0, 1]) < 6 / np.sqrt(5000)
    assert abs(np.corrcoef(folds[1:], folds[:-1])[0, 1]) < 6 / np.sqrt(5000)


def test_equal_keys_stay_together() -> None:
    repeated = np.repeat(KEYS[:200], 3)
    folds = assign_folds(repeated, 4, 0)
    assert_array_equal(folds, np.repeat(assign_folds(KEYS[:200], 4, 0), 3))


def test_clusters_stay_together() -> None:
    rng = np.random.default_rng(2)
    cluster = np.repeat(np.arange(40, dtype=np.int32), 10)
    sample = sample_of(
        rng.normal(size=(400, 2)), rng.integers(0, 2, size=400).astype(float), rng.normal(size=400), cluster=cluster
    )
    folds = sample_folds(sample, 5, 0).codes.reshape(40, 10)
    assert (folds == folds[:, :1]).all()


def test_too_few_rows_is_our_error() -> None:
    with pytest.raises(TooFewRows, match="folds=2"):
        assign_folds(KEYS[:9], 5, 0)
    with pytest.raises(InvalidSetting, match="at least 2"):
        assign_folds(KEYS, 1, 0)
    with pytest.raises(InvalidSetting, match="seed"):
        assign_folds(KEYS, 5, -1)


def test_a_small_arm_is_named() -> None:
    rng = np.random.default_rng(3)
    treatment = np.zeros(100)
    treatment[:2] = 1.0
    sample = sample_of(rng.normal(size=(100, 1)), treatment, rng.normal(size=100))
    with pytest.raises(TooFewRows, match="treatment"):
        sample_folds(sample, 5, 0)


def test_folds_of_a_sample_are_cached_by_content() -> None:
    cache = NuisanceCache()
    sample = world(200)
    assert sample_folds(sample, 5, 0, cache) is sample_folds(sample, 5, 0, cache)
    assert sample_folds(sample, 5, 0, cache) is not sample_folds(sample, 5, 1, cache)
    assert_array_equal(sample_folds(sample, 5, 0, cache).codes, sample_folds(world(200), 5, 0).codes)


@settings(max_examples=60, deadline=None)
@given(
    distinct=st.integers(20, 200),
    count=st.integers(2, 10),
    seed=st.integers(0, 2**31 - 1),
    data=st.integers(0, 2**32 - 1),
)
def test_any_keys(distinct: int, count: int, seed: int, data: int) -> None:
    """Order does not matter, equal keys share a fold, and folds hold equally many distinct keys but for one."""
    rng = np.random.default_rng(data)
    keys = rng.integers(0, 2**63, size=distinct, dtype=np.uint64)
    rows = np.concatenate([keys, rng.choice(keys, size=distinct)])
    folds = assign_folds(rows, count, seed)
    order = rng.permutation(len(rows))
    assert_array_equal(assign_folds(rows[order], count, seed), folds[order])
    assert_array_equal(folds[:distinct], assign_folds(keys, count, seed))
    sizes = np.bincount(folds[:distinct], minlength=count)
    assert sizes.max() - sizes.min() <= 1
    of_key = dict(zip(keys.tolist(), folds.tolist(), strict=False))
    assert [of_key[key] for key in rows.tolist()] == folds.tolist()


def test_folds_of_a_sample_follow_its_rows_and_not_its_treatment_or_units() -> None:
    sample = world(300)
    folds = sample_folds(sample, 5, 0).codes
    order = np.random.default_rng(4).permutation(300)
    assert_array_equal(sample_folds(sample.take(order), 5, 0).codes, folds[order])
    doubled = sample.take(np.repeat(np.arange(300), 2))
    assert_array_equal(sample_folds(doubled, 5, 0).codes, np.repeat(folds, 2))
    swapped = sample_of(sample.covariates.matrix, 1.0 - sample.treatment.values, sample.outcome)
    assert_array_equal(sample_folds(swapped, 5, 0).codes, folds)
    other_units = sample_of(sample.covariates.matrix * 100.0 + 3.0, sample.treatment.values, sample.outcome / 7.0)
    assert_array_equal(sample_folds(other_units, 5, 0).codes, folds)
