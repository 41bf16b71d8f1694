"""The cache answers by content."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.linear_model import Ridge

from butfor.nuisance.cache import NuisanceCache, frozen
from butfor.nuisance.crossfit import cross_fit_outcome_by_arm, cross_fit_outcome_mean, cross_fit_propensity
from butfor.nuisance.folds import sample_folds
from butfor.nuisance.linear import LinearModel
from butfor.nuisance.logistic import LogisticModel
from butfor.nuisance.wrap import OutOfFold
from tests.nuisance.samples import world

FOLDS = sample_folds(world(200), 4, 0)


def test_equal_content_is_computed_once() -> None:
    cache = NuisanceCache()
    one = cross_fit_propensity(world(200), LogisticModel(), FOLDS, 0, cache)
    assert cross_fit_propensity(world(200), LogisticModel(), FOLDS, 0, cache) is one


def test_everything_that_matters_is_in_the_key() -> None:
    cache = NuisanceCache()
    sample = world(200)
    outcome = replace(sample, outcome=frozen(sample.outcome + 1e-9))
    matrix = replace(sample, covariates=replace(sample.covariates, matrix=frozen(sample.covariates.matrix * 1.0000001)))
    weights = replace(sample, weights=frozen(np.full(200, 2.0)))
    codes = replace(sample, treatment=sample.treatment.with_codes(frozen(sample.treatment.codes[::-1].copy())))
    other_folds = sample_folds(sample, 4, 1)
    model = LinearModel()
    found = [
        cross_fit_outcome_by_arm(sample, model, FOLDS, 0, cache),
        cross_fit_outcome_mean(sample, model, FOLDS, 0, cache),
        cross_fit_outcome_by_arm(outcome, model, FOLDS, 0, cache),
        cross_fit_outcome_by_arm(matrix, model, FOLDS, 0, cache),
        cross_fit_outcome_by_arm(weights, model, FOLDS, 0, cache),
        cross_fit_outcome_by_arm(codes, model, FOLDS, 0, cache),
        cross_fit_outcome_by_arm(sample, model, other_folds, 0, cache),
        cross_fit_outcome_by_arm(sample, LinearModel(penalty=0.5), FOLDS, 0, cache),
        cross_fit_outcome_by_arm(sample, Ridge(alpha=0.5), FOLDS, 0, cache),
        cross_fit_outcome_by_arm(sample, Ridge(alpha=0.6), FOLDS, 0, cache),
    ]
    assert len({id(fit) for fit in found}) == len(found)
    assert cross_fit_outcome_by_arm(sample, model, FOLDS, 0, cache) is found[0]


def test_given_predictions_are_told_apart() -> None:
    cache = NuisanceCache()
    sample = world(200)
    for level in (0.0, 1.0):
        found = cross_fit_outcome_mean(sample, OutOfFold(np.full(200, level)), FOLDS, 0, cache)
        assert_array_equal(found.values, level)


def test_estimators_with_long_settings_are_told_apart() -> None:
    """scikit-learn cuts a long `repr` short: settings beyond the cut must count."""
    cache = NuisanceCache()
    sample = world(200)
    long = np.full(200, 0.5)
    other = long.copy()
    other[100] = 0.0
    one = cross_fit_outcome_mean(sample, _Shift(shift=tuple(long)), FOLDS, 0, cache)
    two = cross_fit_outcome_mean(sample, _Shift(shift=tuple(other)), FOLDS, 0, cache)
    assert not np.array_equal(one.values, two.values)


class _Shift(Ridge):
    """Ridge plus the sum of its many settings."""

    def __init__(self, shift: tuple[float, ...] = ()) -> None:
        super().__init__()
        self.shift = shift

    def predict(self, matrix: np.ndarray) -> np.ndarray:
        return super().predict(matrix) + sum(self.shift)


def test_the_oldest_results_go() -> None:
    cache = NuisanceCache(most_entries=2)
    arrays = [frozen(np.full(3, float(i))) for i in range(3)]
    calls: list[int] = []

    def value(i: int) -> float:
        return cache.get("x", (arrays[i],), lambda: calls.append(i) or float(i))

    assert [value(i) for i in (0, 1, 0, 2, 0, 1)] == [0.0, 1.0, 0.0, 2.0, 0.0, 1.0]
    assert calls == [0, 1, 2, 1]


def test_a_changed_array_is_noticed() -> None:
    cache = NuisanceCache()
    array = np.zeros(3)
    assert cache.get("sum", (array,), lambda: float(array.sum())) == 0.0
    array[0] = 5.0
    assert cache.get("sum", (array,), lambda: float(array.sum())) == 5.0


def test_shape_and_type_are_content() -> None:
    cache = NuisanceCache()
    zeros = frozen(np.zeros(8))
    variants = (zeros, zeros.reshape(2, 4), zeros.view(np.int64), zeros.reshape(4, 2).T)
    assert [cache.get("n", (v,), lambda i=i: i) for i, v in enumerate(variants[:3])] == [0, 1, 2]
    assert cache.get("n", (variants[3],), lambda: 9) == 1


def test_many_threads_can_ask() -> None:
    cache = NuisanceCache(most_entries=8)
    arrays = [frozen(np.full(50, float(i))) for i in range(16)]
    wrong: list[int] = []

    def ask() -> None:
        for i in np.random.default_rng().permutation(np.tile(np.arange(16), 50)):
            if cache.get("sum", (arrays[i],), lambda i=i: float(arrays[i].sum())) != 50.0 * i:
                wrong.append(int(i))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_nothing_is_kept_of_arrays_that_are_gone() -> None:
    cache = NuisanceCache()
    for i in range(5):
        array = frozen(np.full(3, float(i)))
        assert cache.get("sum", (array,), lambda i=i: 3.0 * i) == 3.0 * i
        del array
    assert len(cache._digests) == 0


def test_a_failure_is_not_remembered() -> None:
    cache = NuisanceCache()
    array = frozen(np.zeros(3))
    with pytest.raises(ZeroDivisionError):
        cache.get("x", (array,), lambda: 1 / 0)
    assert cache.get("x", (array,), lambda: 2.0) == 2.0


def test_one_writeable_array_among_others_keeps_the_answer_out() -> None:
    cache = NuisanceCache()
    still, open_to_change = frozen(np.zeros(3)), np.zeros(3)
    assert [cache.get("x", (still, None, open_to_change), lambda i=i: i) for i in range(2)] == [0, 1]
    assert [cache.get("x", (still, None), lambda i=i: i) for i in range(2)] == [0, 0]
