"""Coefficients, folds and influence of the logit, number by number against statsmodels and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from butfor.core.errors import EmptyArm, InvalidSetting, SeparatedPropensity, TooFewRows
from butfor.nuisance.logistic import LogisticModel, fit_logit
from tests.nuisance.samples import expit

FloatArray = NDArray[np.float64]
ROWS = 900


def draw(classes: int, seed: int = 0) -> tuple[FloatArray, NDArray[np.int32]]:
    """Three columns, and a class by a multinomial logit."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(ROWS, 3))
    slopes = np.array([[0.0, 0.0, 0.0], [0.5, 0.2, 0.0], [-0.3, 0.4, 0.6]])[:classes]
    chance = np.exp(matrix @ slopes.T)
    chance /= chance.sum(axis=1, keepdims=True)
    codes = (rng.random(ROWS)[:, None] > np.cumsum(chance, axis=1)[:, :-1]).sum(axis=1)
    return matrix, codes.astype(np.int32)


def multinomial(codes: NDArray[np.int32], design: FloatArray) -> sm.MNLogit:
    return sm.MNLogit(codes, design).fit(method="newton", maxiter=100, tol=1e-14, disp=False)


FOLDS = (np.random.default_rng(9).permutation(ROWS) % 4).astype(np.int32)
WEIGHTS = np.random.default_rng(8).uniform(0.2, 3.0, size=ROWS)


@pytest.mark.parametrize("classes", [2, 3])
def test_coefficients(classes: int) -> None:
    matrix, codes = draw(classes)
    oracle = multinomial(codes, sm.add_constant(matrix)).params
    found = LogisticModel().fit(matrix, codes.astype(float), None, rng=0).coefficients
    assert_allclose(found, np.asarray(oracle).reshape(4, -1).T, atol=1e-9)


@pytest.mark.parametrize("classes", [2, 3])
def test_each_fold_is_predicted_by_the_fit_to_the_others(classes: int) -> None:
    matrix, codes = draw(classes)
    found = LogisticModel().cross_predict(matrix, codes.astype(float), FOLDS, 4, None)
    for fold in range(4):
        held = fold == FOLDS
        fit = multinomial(codes[~held], sm.add_constant(matrix[~held]))
        assert_allclose(found[held], fit.predict(sm.add_constant(matrix[held])).reshape(-1, classes), atol=1e-8)


@pytest.mark.parametrize("classes", [2, 3])
def test_weights_out_of_fold_are_repeated_rows(classes: int) -> None:
    matrix, codes = draw(classes)
    times = np.random.default_rng(7).integers(1, 4, size=ROWS)
    source = np.repeat(np.arange(ROWS), times)
    weighted = LogisticModel().cross_predict(matrix, codes.astype(float), FOLDS, 4, times.astype(float))
    repeated = LogisticModel().cross_predict(matrix[source], codes[source].astype(float), FOLDS[source], 4, None)
    assert_allclose(repeated, weighted[source], atol=1e-8)


@pytest.mark.parametrize("weighted", [False, True])
def test_forty_rows_and_five_folds(weighted: bool) -> None:
    """The models without a fold lie far from their common start, so that shared curvature is of little use."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        matrix = rng.normal(size=(40, 3))
        codes = (rng.random(40) < expit(1.2 * matrix[:, 0] - 0.5)).astype(float)
        folds = (rng.permutation(40) % 5).astype(np.int32)
        w = rng.uniform(0.3, 3.0, size=40) if weighted else None
        found = LogisticModel().cross_predict(matrix, codes, folds, 5, w)[:, 1]
        for fold in range(5):
            held = folds == fold
            part = None if w is None else w[~held]
            glm = sm.GLM(codes[~held], sm.add_constant(matrix[~held]), sm.families.Binomial(), freq_weights=part)
            oracle = glm.fit(tol=1e-14, maxiter=200).predict(np.column_stack([np.ones(held.sum()), matrix[held]]))
            assert_allclose(found[held], oracle, atol=1e-7)


def test_columns_a_billion_deviations_from_zero() -> None:
    matrix, codes = draw(2)
    far = 1e6 + 1e-3 * matrix
    kept = (far - 1e6) * 1e3  # what float64 left of the columns
    for folds in (None, FOLDS):
        one, two = (
            LogisticModel().fit(x, codes.astype(float), None, rng=0).predict(x)
            if folds is None
            else LogisticModel().cross_predict(x, codes.astype(float), folds, 4, None)
            for x in (far, kept)
        )
        # A coefficient of 1e3 on a column of 1e6: the index is a difference of numbers near 1e9 with 16 digits.
        assert_allclose(one, two, atol=1e-6)


def sandwich(design: FloatArray, codes: NDArray[np.int32], w: FloatArray) -> FloatArray:
    """(−H)⁻¹ Σ s s' (−H)⁻¹ with the Hessian by central differences of the scores, at the maximum of statsmodels."""
    classes = int(codes.max()) + 1
    chance = multinomial(codes, design).predict().reshape(-1, classes) if np.all(w == 1) else None
    if chance is None:
        one = sm.GLM(codes, design, sm.families.Binomial(), freq_weights=w).fit(tol=1e-15, maxiter=200).fittedvalues
        chance = np.column_stack([1 - one, one])
    log_odds = np.log(chance[:, 1:] / chance[:, :1])
    beta = np.linalg.lstsq(design, log_odds, rcond=None)[0].T.reshape(-1)

    def scores(b: FloatArray) -> FloatArray:
        index = np.column_stack([np.zeros(len(codes)), design @ b.reshape(classes - 1, -1).T])
        p = np.exp(index) / np.exp(index).sum(axis=1, keepdims=True)
        gap = w[:, None] * (np.eye(classes)[codes] - p)[:, 1:]
        return (gap[:, :, None] * design[:, None, :]).reshape(len(codes), -1)

    step = 1e-5
    slopes = [(scores(beta + e).sum(axis=0) - scores(beta - e).sum(axis=0)) for e in step * np.eye(len(beta))]
    inverse = np.linalg.inv(-np.array(slopes) / (2 * step))
    return inverse @ scores(beta).T @ scores(beta) @ inverse


@pytest.mark.parametrize(("classes", "weighted"), [(2, False), (2, True), (3, False)])
def test_influence_gives_the_sandwich(classes: int, weighted: bool) -> None:
    matrix, codes = draw(classes)
    logit = fit_logit(matrix, codes, classes, WEIGHTS if weighted else None)
    influence = logit.influence()
    oracle = sandwich(logit.design, codes, WEIGHTS if weighted else np.ones(ROWS))
    assert_allclose(influence.T @ influence / ROWS**2, oracle, rtol=1e-6, atol=1e-10)


def test_influence_gives_the_robust_covariance_of_statsmodels() -> None:
    matrix, codes = draw(2)
    logit = fit_logit(matrix, codes, 2, None)
    robust = sm.Logit(codes, logit.design).fit(disp=0, tol=1e-14, maxiter=100, cov_type="HC0").cov_params()
    influence = logit.influence()
    assert_allclose(influence.T @ influence / ROWS**2, robust, rtol=1e-9)
    assert_allclose(influence.sum(axis=0), 0.0, atol=1e-8)


def test_quasi_separation_by_a_threshold_with_ties_is_refused() -> None:
    """Below 2 all are controls, above all treated, at 2 both: the maximum lies at infinity all the same."""
    column = np.repeat([1.0, 2.0, 3.0], 20)
    codes = np.r_[np.zeros(30), np.ones(30)].astype(np.int32)
    with pytest.raises(SeparatedPropensity):
        fit_logit(column[:, None], codes, 2, None)


def test_one_arm_alone_and_rows_without_weight_are_our_errors() -> None:
    matrix, codes = draw(2)
    for call in (
        lambda: fit_logit(matrix, np.zeros(ROWS, dtype=np.int32), 2, None),
        lambda: LogisticModel().fit(matrix, np.zeros(ROWS), None, rng=0),
    ):
        with pytest.raises(EmptyArm, match="first arm"):
            call()
    with pytest.raises(InvalidSetting, match="2 of 3 classes"):
        fit_logit(matrix, codes, 3, None)
    for model in (LogisticModel(), LogisticModel(penalty=0.1)):
        with pytest.raises(TooFewRows, match="weight"):
            model.fit(matrix, codes.astype(float), np.zeros(ROWS), rng=0)
        with pytest.raises(TooFewRows, match="weight"):
            model.fit(np.empty((0, 3)), np.empty(0), None, rng=0)
