"""Linear nuisance models against statsmodels, lstsq and the normal equations of ridge."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from butfor.core.errors import InvalidSetting
from butfor.nuisance.linear import LinearModel
from tests.nuisance.samples import world

SAMPLE = world(400)
X, Y = SAMPLE.covariates.matrix, SAMPLE.outcome
FOLDS = np.random.default_rng(1).integers(0, 4, size=400).astype(np.int32)
COUNTS = np.random.default_rng(2).integers(1, 4, size=400)

FloatArray = NDArray[np.float64]


def ridge_by_hand(train: FloatArray, target: FloatArray, test: FloatArray, penalty: float) -> FloatArray:
    """(Z'Z/n + λI)⁻¹ Z'(y − ȳ)/n on columns with mean 0 and variance 1."""
    centre, spread = train.mean(axis=0), train.std(axis=0)
    z = (train - centre) / spread
    slopes = np.linalg.solve(z.T @ z / len(z) + penalty * np.eye(z.shape[1]), z.T @ (target - target.mean()) / len(z))
    return target.mean() + (test - centre) / spread @ slopes


def test_least_squares_is_ols() -> None:
    oracle = sm.OLS(Y, sm.add_constant(X)).fit().fittedvalues
    assert_allclose(LinearModel().fit(X, Y, None, rng=0).predict(X), oracle, rtol=1e-9, atol=1e-9)


def test_weights_are_wls_and_repeated_rows() -> None:
    weighted = LinearModel().fit(X, Y, COUNTS.astype(float), rng=0).predict(X)
    assert_allclose(weighted, sm.WLS(Y, sm.add_constant(X), weights=COUNTS).fit().fittedvalues, rtol=1e-9, atol=1e-9)
    repeated = LinearModel().fit(np.repeat(X, COUNTS, axis=0), np.repeat(Y, COUNTS), None, rng=0).predict(X)
    assert_allclose(weighted, repeated, rtol=1e-9, atol=1e-9)


def test_out_of_fold_is_one_regression_per_fold() -> None:
    found = LinearModel().cross_predict(X, Y, FOLDS, 4, None)
    for fold in range(4):
        held = fold == FOLDS
        oracle = sm.OLS(Y[~held], sm.add_constant(X[~held])).fit().predict(sm.add_constant(X[held]))
        assert_allclose(found[held], oracle, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("penalty", [0.01, 1.0, 30.0])
def test_ridge_solves_its_normal_equations(penalty: float) -> None:
    found = LinearModel(penalty=penalty).cross_predict(X, Y, FOLDS, 4, None)
    for fold in range(4):
        held = fold == FOLDS
        assert_allclose(found[held], ridge_by_hand(X[~held], Y[~held], X[held], penalty), rtol=1e-9, atol=1e-9)


def test_ridge_does_not_know_units() -> None:
    scaled = X * np.array([1e3, 1e-3, 7.0]) + np.array([5.0, -1.0, 0.0])
    one = LinearModel(penalty=0.3).cross_predict(X, Y, FOLDS, 4, None)
    assert_allclose(LinearModel(penalty=0.3).cross_predict(scaled, Y, FOLDS, 4, None), one, rtol=1e-8, atol=1e-8)


def test_collinear_columns_change_nothing() -> None:
    twins = np.column_stack([X, X[:, 0] + 2 * X[:, 1], np.ones(400)])
    assert_allclose(
        LinearModel().cross_predict(twins, Y, FOLDS, 4, None),
        LinearModel().cross_predict(X, Y, FOLDS, 4, None),
        rtol=1e-7,
        atol=1e-7,
    )


def test_a_large_mean_loses_no_digits() -> None:
    far = X + np.array([1e9, 0.0, 0.0])
    exact = far - np.array([1e9, 0.0, 0.0])  # what float64 kept of the column
    assert_allclose(
        LinearModel().fit(far, Y, None, rng=0).predict(far),
        LinearModel().fit(exact, Y, None, rng=0).predict(exact),
        atol=1e-5,
    )


def test_no_columns_is_the_mean_of_the_other_folds() -> None:
    found = LinearModel().cross_predict(np.empty((400, 0)), Y, FOLDS, 4, None)
    assert_allclose(found, np.array([Y[fold != FOLDS].mean() for fold in range(4)])[FOLDS], rtol=1e-12)


def test_the_chosen_penalty_shrinks_noise_and_keeps_signal() -> None:
    rng = np.random.default_rng(5)
    wide = rng.normal(size=(120, 60))
    folds = rng.integers(0, 5, size=120).astype(np.int32)
    noise = rng.normal(size=120)
    signal = 3.0 * wide[:, 0]
    chosen = LinearModel(penalty=None)
    on_noise = chosen.cross_predict(wide, noise, folds, 5, None)
    assert np.mean((noise - on_noise) ** 2) < 1.25 * noise.var()  # least squares: about 1/(1 − 60/96) = 2.7 times
    assert np.mean((signal - chosen.cross_predict(wide, signal, folds, 5, None)) ** 2) < 1e-3 * signal.var()


def test_the_penalty_for_a_fold_is_chosen_without_it() -> None:
    changed = Y.copy()
    changed[FOLDS == 0] *= -100.0
    one = LinearModel(penalty=None).cross_predict(X, Y, FOLDS, 4, None)
    two = LinearModel(penalty=None).cross_predict(X, changed, FOLDS, 4, None)
    assert_allclose(two[FOLDS == 0], one[FOLDS == 0], rtol=1e-9)


def test_a_negative_penalty_is_refused() -> None:
    with pytest.raises(InvalidSetting, match="penalty"):
        LinearModel(penalty=-1.0)


def test_two_folds_are_enough_to_choose_a_penalty() -> None:
    rng = np.random.default_rng(7)
    wide = rng.normal(size=(120, 40))
    target = wide[:, 0] + rng.normal(size=120)
    folds = (rng.permutation(120) % 2).astype(np.int32)
    order = rng.permutation(120)
    chosen = LinearModel(penalty=None)
    found = chosen.cross_predict(wide, target, folds, 2, None)
    plain = LinearModel().cross_predict(wide, target, folds, 2, None)  # error about 1 / (1 − 40/60) = 3
    assert np.mean((target - found) ** 2) < 0.75 * np.mean((target - plain) ** 2)
    assert_allclose(
        chosen.cross_predict(wide[order], target[order], folds[order], 2, None), found[order], rtol=1e-9, atol=1e-9
    )


def test_a_fit_alone_chooses_its_penalty_by_content() -> None:
    order = np.random.default_rng(8).permutation(400)
    one = LinearModel(penalty=None).fit(X, Y, None, rng=0).predict(X)
    assert_allclose(
        LinearModel(penalty=None).fit(X[order], Y[order], None, rng=0).predict(X), one, rtol=1e-9, atol=1e-9
    )
