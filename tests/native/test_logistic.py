"""Logistic passes against their NumPy twin, and the promises that the twin cannot make."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit

from butfor.core.errors import InvalidSetting
from butfor.native.logistic import fold_predict, logistic_gradients, logistic_sums
from tests.native import twin

# Three chunks of 16,384 rows and a rest.
LONG = 50_001
FOLDS = 3


class World(NamedTuple):
    """Rows with an outcome, weights, folds and one model per fold."""

    rows: np.ndarray
    outcome: np.ndarray
    weights: np.ndarray
    folds: np.ndarray
    models: np.ndarray


def world(n: int, p: int, seed: int = 0) -> World:
    rng = np.random.default_rng(seed)
    return World(
        rows=rng.normal(size=(n, p)),
        outcome=(rng.random(n) < 0.4).astype(float),
        weights=rng.random(n),
        folds=rng.integers(0, FOLDS, n),
        models=rng.normal(size=(FOLDS, p + 1)),
    )


def close(found: np.ndarray, expected: np.ndarray, n: int) -> None:
    """Sums of n terms of order one."""
    assert_allclose(found, expected, rtol=1e-12, atol=1e-13 * max(n, 10))


@pytest.mark.parametrize("n", [1, 7, 248, 249, 16_384, LONG])
@pytest.mark.parametrize("p", [0, 1, 3, 10])
def test_sums_of_one_group_are_the_twin(n: int, p: int) -> None:
    w = world(n, p)
    gradient, hessian = logistic_sums(w.rows, w.outcome, w.models[0])
    for found, expected in zip(
        (gradient[0], hessian[0]), twin.logistic_sums(w.rows, w.outcome, w.models[0], np.ones(n)), strict=True
    ):
        close(found, expected, n)


def test_sums_by_group_are_the_twin_of_each_group() -> None:
    w = world(LONG, 4)
    gradient, hessian = logistic_sums(w.rows, w.outcome, w.models[0], w.weights, w.folds, FOLDS)
    for g in range(FOLDS):
        mine = w.folds == g
        expected = twin.logistic_sums(w.rows[mine], w.outcome[mine], w.models[0], w.weights[mine])
        close(gradient[g], expected[0], LONG)
        close(hessian[g], expected[1], LONG)


@pytest.mark.parametrize("weighted", [False, True])
def test_gradients_leave_out_the_own_fold(weighted: bool) -> None:
    w = world(LONG, 4)
    found = logistic_gradients(w.rows, w.outcome, w.models, w.folds, w.weights if weighted else None)
    for k in range(FOLDS):
        weights = (w.folds != k) * (w.weights if weighted else 1.0)
        close(found[k], twin.logistic_sums(w.rows, w.outcome, w.models[k], weights)[0], LONG)


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 600), p=st.integers(0, 6), seed=st.integers(0, 2**32 - 1))
def test_any_world_is_the_twin(n: int, p: int, seed: int) -> None:
    w = world(n, p, seed)
    gradients = logistic_gradients(w.rows, w.outcome, w.models, w.folds, w.weights)
    for k in range(FOLDS):
        expected = twin.logistic_sums(w.rows, w.outcome, w.models[k], w.weights * (w.folds != k))
        close(gradients[k], expected[0], n)
    times = np.random.default_rng(seed).integers(0, 4, n)
    weighted = logistic_sums(w.rows, w.outcome, w.models[0], times.astype(float))
    repeated = logistic_sums(np.repeat(w.rows, times, axis=0), np.repeat(w.outcome, times), w.models[0])
    for one, other in zip(weighted, repeated, strict=True):
        close(one, other, n)


def test_predictions_come_from_the_model_of_the_own_fold() -> None:
    w = world(LONG, 4)
    expected = np.choose(w.folds, [twin.index(w.rows, model) for model in w.models])
    assert_allclose(fold_predict(w.rows, w.models, w.folds), expected, atol=1e-13)
    chance = fold_predict(w.rows, w.models, w.folds, probability=True)
    assert_allclose(chance, twin.sigmoid(expected), rtol=1e-13)
    assert_allclose(fold_predict(w.rows, w.models[:1]), twin.index(w.rows, w.models[0]), atol=1e-13)


def test_the_logistic_function_is_accurate_everywhere() -> None:
    line = np.r_[np.linspace(-700.0, 700.0, 200_001), np.linspace(-1e-8, 1e-8, 101), -1e-300, 0.0]
    found = fold_predict(line[:, None], np.array([[0.0, 1.0]]), probability=True)
    assert_allclose(found, twin.sigmoid(line), rtol=1e-14)
    assert_array_equal(found[line == 0.0], 0.5)


def test_probabilities_are_scipys_far_out_too() -> None:
    line = np.r_[np.linspace(-40.0, 40.0, 8_001), -1000.0, 1000.0]
    found = fold_predict(line[:, None], np.array([[0.0, 1.0]]), probability=True)
    assert_allclose(found, expit(line), rtol=0, atol=1e-15)
    assert_allclose(found[:-2], expit(line[:-2]), rtol=1e-14)


def test_beyond_700_the_probability_stays_between_0_and_1() -> None:
    line = np.array([-1e308, -710.0, 710.0, 1e308])
    found = fold_predict(line[:, None], np.array([[0.0, 1.0]]), probability=True)
    assert_allclose(found, [0.0, 0.0, 1.0, 1.0], atol=1e-300)
    assert ((found >= 0.0) & (found <= 1.0)).all()


@pytest.mark.parametrize("threads", [2, 3, 8])
def test_the_same_bits_for_any_number_of_threads(threads: int) -> None:
    w = world(LONG, 4)
    for one, many in zip(
        *(logistic_sums(w.rows, w.outcome, w.models[0], w.weights, w.folds, FOLDS, threads=t) for t in (1, threads)),
        strict=True,
    ):
        assert_array_equal(one, many)
    assert_array_equal(
        *(logistic_gradients(w.rows, w.outcome, w.models, w.folds, w.weights, threads=t) for t in (1, threads))
    )
    assert_array_equal(*(fold_predict(w.rows, w.models, w.folds, threads=t) for t in (1, threads)))


def test_no_rows_are_zeros() -> None:
    gradient, hessian = logistic_sums(np.empty((0, 2)), np.empty(0), np.zeros(3))
    assert_array_equal(gradient, np.zeros((1, 3)))
    assert_array_equal(hessian, np.zeros((1, 3, 3)))
    assert fold_predict(np.empty((0, 2)), np.zeros((1, 3))).shape == (0,)


def test_what_does_not_fit_is_refused() -> None:
    w = world(10, 2)
    with pytest.raises(InvalidSetting, match="coefficients have 2 columns"):
        logistic_sums(w.rows, w.outcome, w.models[0, :2])
    with pytest.raises(InvalidSetting, match="coefficients have 2 columns"):
        fold_predict(w.rows, w.models[:, :2], w.folds)
    with pytest.raises(InvalidSetting, match="hold 3 models"):
        fold_predict(w.rows, w.models)
    with pytest.raises(InvalidSetting, match="hold 3 models"):
        logistic_sums(w.rows, w.outcome, w.models)
    with pytest.raises(InvalidSetting, match="run from"):
        logistic_gradients(w.rows, w.outcome, w.models, np.full(10, FOLDS))
    with pytest.raises(InvalidSetting, match="outcome has shape"):
        logistic_sums(w.rows, w.outcome[:5], w.models[0])
    with pytest.raises(InvalidSetting, match="group_count is 2"):
        logistic_sums(w.rows, w.outcome, w.models[0], group_count=2)
    with pytest.raises(InvalidSetting, match="not finite"):
        logistic_sums(np.full((10, 2), np.nan), w.outcome, w.models[0])
    with pytest.raises(InvalidSetting, match="not finite"):
        logistic_gradients(w.rows, np.full(10, np.nan), w.models, w.folds)
