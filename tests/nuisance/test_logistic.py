"""Logistic nuisance models against statsmodels and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from scipy.optimize import linprog

from butfor.core.errors import InvalidSetting, SeparatedPropensity
from butfor.nuisance.crossfit import cross_fit_propensity
from butfor.nuisance.folds import sample_folds
from butfor.nuisance.logistic import LogisticModel, fit_logit
from tests.nuisance.samples import expit, sample_of, world

FloatArray = NDArray[np.float64]

SAMPLE = world(600)
X, CODES = SAMPLE.covariates.matrix, SAMPLE.treatment.codes
T = CODES.astype(float)
FOLDS = np.random.default_rng(1).integers(0, 4, size=600).astype(np.int32)
COUNTS = np.random.default_rng(2).integers(1, 4, size=600)


def test_maximum_likelihood_is_the_glm() -> None:
    oracle = sm.GLM(T, sm.add_constant(X), family=sm.families.Binomial()).fit(tol=1e-14).fittedvalues
    found = LogisticModel().fit(X, T, None, rng=0).predict(X)
    assert_allclose(found[:, 1], oracle, atol=1e-9)
    assert_allclose(found.sum(axis=1), 1.0, rtol=1e-14)


def test_out_of_fold_is_one_glm_per_fold() -> None:
    found = LogisticModel().cross_predict(X, T, FOLDS, 4, None)
    for fold in range(4):
        held = fold == FOLDS
        glm = sm.GLM(T[~held], sm.add_constant(X[~held]), family=sm.families.Binomial()).fit(tol=1e-14)
        assert_allclose(found[held, 1], glm.predict(sm.add_constant(X[held])), atol=1e-9)


def test_weights_are_repeated_rows() -> None:
    weighted = LogisticModel().fit(X, T, COUNTS.astype(float), rng=0).predict(X)
    repeated = LogisticModel().fit(np.repeat(X, COUNTS, axis=0), np.repeat(T, COUNTS), None, rng=0).predict(X)
    assert_allclose(weighted, repeated, atol=1e-10)


@pytest.mark.parametrize("unit", [0.001, 0.02, 1.0, 90.0, 1e6])
def test_the_gradient_is_zero_at_the_maximum_in_any_unit(unit: float) -> None:
    z = (X - X.mean(axis=0)) / X.std(axis=0)
    chance = LogisticModel().fit(z * unit, T, None, rng=0).predict(z * unit)[:, 1]
    assert np.abs(np.column_stack([np.ones(600), z]).T @ (T - chance)).max() / 600 < 1e-10


def test_several_classes_are_the_multinomial_logit() -> None:
    three = world(600, arms=3)
    x, codes = three.covariates.matrix, three.treatment.codes
    z = sm.add_constant((x - x.mean(axis=0)) / x.std(axis=0))
    oracle = sm.MNLogit(codes, z).fit(method="newton", maxiter=100, tol=1e-12, disp=False).predict()
    found = LogisticModel().fit(x, codes.astype(float), None, rng=0).predict(x)
    assert_allclose(found, oracle, atol=1e-8)
    out_of_fold = LogisticModel().cross_predict(x, codes.astype(float), FOLDS, 4, None)
    held = FOLDS == 1
    again = LogisticModel().fit(x[~held], codes[~held].astype(float), None, rng=0).predict(x[held])
    assert_allclose(out_of_fold[held], again, atol=1e-8)


@pytest.mark.parametrize("penalty", [0.01, 0.5])
def test_ridge_is_the_penalised_maximum_on_standardised_columns(penalty: float) -> None:
    from sklearn.linear_model import LogisticRegression

    z = (X - X.mean(axis=0)) / X.std(axis=0)
    oracle = LogisticRegression(C=1.0 / (penalty * 600), tol=1e-12, max_iter=10_000).fit(z, CODES).predict_proba(z)
    assert_allclose(LogisticModel(penalty=penalty).fit(X, T, None, rng=0).predict(X), oracle, atol=1e-6)


def test_ridge_does_not_know_units() -> None:
    tame = (X - X.mean(axis=0)) / X.std(axis=0) * np.array([1.0, 3.0, 0.5])
    one = LogisticModel(penalty=0.1).cross_predict(X, T, FOLDS, 4, None)
    assert_allclose(LogisticModel(penalty=0.1).cross_predict(tame, T, FOLDS, 4, None), one, atol=1e-8)


def test_separation_is_our_error_and_names_the_column() -> None:
    split = sample_of(X, (X[:, 1] > 50.0).astype(float), SAMPLE.outcome)
    with pytest.raises(SeparatedPropensity, match="perfectly, 'x1' most of all"):
        cross_fit_propensity(split, LogisticModel(), sample_folds(split, 5, 0), 0)
    with pytest.raises(SeparatedPropensity, match="perfectly, 'age' most of all"):
        fit_logit(X, split.treatment.codes, 2, None, ("income", "age", "wealth"))


def test_a_level_whose_rows_are_all_treated_is_separation() -> None:
    level = np.arange(600) < 12
    codes = np.where(level, 1, CODES).astype(np.int32)
    with pytest.raises(SeparatedPropensity, match="column 3"):
        fit_logit(np.column_stack([X, level.astype(float)]), codes, 2, None)
    three = world(600, arms=3)
    codes = np.where(level, 2, three.treatment.codes).astype(np.int32)
    with pytest.raises(SeparatedPropensity, match="column 3"):
        fit_logit(np.column_stack([three.covariates.matrix, level.astype(float)]), codes, 3, None)


def test_heavy_tails_and_collinear_columns_are_no_separation() -> None:
    rng = np.random.default_rng(4)
    heavy = np.exp(2.0 * rng.normal(size=(600, 1)))
    codes = (rng.random(600) < expit(0.3 * heavy[:, 0] - 1.0)).astype(float)
    matrix = np.column_stack([heavy, 2.0 * heavy, rng.normal(size=600)])
    found = LogisticModel().fit(matrix, codes, None, rng=0).predict(matrix)[:, 1]
    glm = sm.GLM(codes, sm.add_constant(matrix[:, [0, 2]]), family=sm.families.Binomial()).fit(tol=1e-14)
    assert_allclose(found, glm.fittedvalues, atol=1e-9)


def test_many_rows_start_from_some_and_arrive_at_the_maximum() -> None:
    rng = np.random.default_rng(6)
    x = rng.normal(size=(40_000, 3)) * np.array([1.0, 20.0, 0.01]) + np.array([3.0, 0.0, 0.0])
    codes = np.sort((rng.random(40_000) < expit(x[:, 0] - 5.0 + 0.03 * x[:, 1])).astype(float))
    x = x[np.argsort(rng.random(40_000) - 0.5 * (x[:, 0] > 3))]
    folds = rng.integers(0, 5, size=40_000).astype(np.int32)
    found = LogisticModel().cross_predict(x, codes, folds, 5, None)[:, 1]
    rest = folds != 0
    glm = sm.GLM(codes[rest], sm.add_constant(x[rest]), family=sm.families.Binomial()).fit(tol=1e-14)
    assert_allclose(found[~rest], glm.predict(sm.add_constant(x[~rest])), atol=1e-9)


def test_ridge_is_never_separated() -> None:
    split = (X[:, 1] > 50.0).astype(float)
    for penalty in (1e-4, None):
        chance = LogisticModel(penalty=penalty).cross_predict(X, split, FOLDS, 4, None)
        assert np.isfinite(chance).all()
        assert ((chance[:, 1] > 0.5) == (split == 1)).mean() > 0.97


def test_the_chosen_penalty_helps_with_many_columns() -> None:
    rng = np.random.default_rng(5)
    wide = rng.normal(size=(300, 40))
    truth = expit(0.7 * wide[:, 0])
    codes = (rng.random(300) < truth).astype(float)
    folds = rng.integers(0, 5, size=300).astype(np.int32)
    chosen = LogisticModel(penalty=None).cross_predict(wide, codes, folds, 5, None)[:, 1]
    plain = LogisticModel().cross_predict(wide, codes, folds, 5, None)[:, 1]
    assert np.mean((chosen - truth) ** 2) < 0.6 * np.mean((plain - truth) ** 2)


def test_influence_is_that_of_the_coefficients() -> None:
    """Infinitesimal jackknife: more weight on a row moves the coefficients by its influence / n."""
    logit = fit_logit(X, CODES, 2, None)
    influence = logit.influence()
    row, step = 17, 1e-4
    weights = np.ones(600)
    weights[row] += step

    def coefficients(w: np.ndarray) -> np.ndarray:
        return sm.GLM(T, logit.design, family=sm.families.Binomial(), freq_weights=w).fit(tol=1e-15).params

    slope = (coefficients(weights) - coefficients(np.ones(600))) / step
    assert_allclose(influence[row] / 600, slope, rtol=2e-3, atol=1e-7)


def test_a_negative_penalty_is_refused() -> None:
    with pytest.raises(InvalidSetting, match="penalty"):
        LogisticModel(penalty=-0.1)


def separated(matrix: FloatArray, codes: FloatArray) -> bool:
    """Does a linear index exist that is never wrong and somewhere right? A linear programme (Konis 2007)."""
    rows = np.column_stack([np.ones(len(matrix)), matrix]) * (2 * codes - 1)[:, None]
    best = linprog(-rows.sum(axis=0), A_ub=-rows, b_ub=np.zeros(len(rows)), bounds=[(-1, 1)] * rows.shape[1])
    return bool(-best.fun > 1e-7)


def test_separation_without_a_fold_is_found_exactly_where_there_is_any() -> None:
    found = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        matrix = rng.normal(size=(80, 3))
        matrix[:, 2] = matrix[:, 2] > 1.5
        codes = (rng.random(80) < expit(2.0 * matrix[:, 0] - 1.0)).astype(float)
        folds = (rng.permutation(80) % 4).astype(np.int32)
        if any(separated(matrix[folds != k], codes[folds != k]) for k in range(4)):
            found += 1
            with pytest.raises(SeparatedPropensity):
                LogisticModel().cross_predict(matrix, codes, folds, 4, None)
        else:
            assert np.isfinite(LogisticModel().cross_predict(matrix, codes, folds, 4, None)).all()
    assert 5 < found < 35
