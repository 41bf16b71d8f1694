"""Learners where the truth is known, and what weights and classes that were not seen do to them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor

from butfor.core.errors import InvalidSetting, TooFewRows
from butfor.nuisance.boosting import Boosting
from butfor.nuisance.crossfit import (
    cross_fit_outcome_by_arm,
    cross_fit_outcome_mean,
    cross_fit_propensity,
    cross_fit_treatment_mean,
)
from butfor.nuisance.defaults import default_outcome_model, default_propensity_model
from butfor.nuisance.folds import sample_folds
from butfor.nuisance.linear import LinearModel
from butfor.nuisance.logistic import LogisticModel
from butfor.nuisance.mix import Mix
from butfor.nuisance.wrap import OutOfFold, Wrapped
from tests.nuisance.samples import expit, sample_of, world

FloatArray = NDArray[np.float64]

SAMPLE = world(300)
FOLDS = sample_folds(SAMPLE, 3, 0)


def logit_error(model: object, seed: int) -> float:
    """Root mean squared error of the out-of-fold propensity where the truth is a logit."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(1000, 5))
    chance = expit(0.8 * matrix[:, 0] - 0.5 * matrix[:, 1])
    sample = sample_of(matrix, (rng.random(1000) < chance).astype(float), rng.normal(size=1000))
    found = cross_fit_propensity(sample, model, sample_folds(sample, 5, 0), 0).values[:, 1]
    return float(np.sqrt(np.mean((found - chance) ** 2)))


def test_where_a_logit_is_true_defaults_are_ordered_as_they_should_be() -> None:
    seeds = range(3)
    logit, mix, boosting, library = (
        float(np.mean([logit_error(model, seed) for seed in seeds]))
        for model in (
            LogisticModel(),
            default_propensity_model(),
            Boosting(),
            HistGradientBoostingClassifier(random_state=0),
        )
    )
    assert logit < mix < boosting < 0.75 * library
    # Six coefficients on 800 rows: sqrt(6 / 800 · mean e(1 − e)) ≈ 0.04.
    assert logit < 0.05
    assert mix < 1.5 * logit


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_mixing_weights_are_optimal(seed: int, weighted: bool) -> None:
    rng = np.random.default_rng(seed)
    goal = rng.normal(size=150)
    candidates = [rng.uniform(0.2, 1.2) * goal + rng.uniform(0.3, 1.5) * rng.normal(size=150) for _ in range(4)]
    w = rng.uniform(0.1, 3.0, size=150) if weighted else np.ones(150)
    found = Mix.weigh(candidates, goal, w if weighted else None)
    gap = np.column_stack(candidates) - goal[:, None]
    gram = (gap * w[:, None]).T @ gap / w.sum()
    oracle = minimize(
        lambda s: s @ gram @ s,
        np.full(4, 0.25),
        jac=lambda s: 2 * gram @ s,
        method="SLSQP",
        bounds=[(0, 1)] * 4,
        constraints={"type": "eq", "fun": lambda s: s.sum() - 1},
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    assert found.min() >= 0
    assert_allclose(found.sum(), 1.0, rtol=1e-12)
    assert found @ gram @ found <= oracle.fun * (1 + 1e-9)


def test_probabilities_are_mixed_by_their_squared_error() -> None:
    """Brier's score: the truth beats noise, and mixed rows still sum to one."""
    rng = np.random.default_rng(1)
    chance = rng.uniform(0.1, 0.9, size=4000)
    codes = (rng.random(4000) < chance).astype(float)
    noise = rng.uniform(0.1, 0.9, size=4000)
    both = [np.column_stack([1 - c, c]) for c in (chance, noise)]
    folds = rng.integers(0, 4, size=4000).astype(np.int32)
    mixed, shares = Mix(learners=(LogisticModel(), Boosting())).combine(both, codes, folds, 4, None)
    assert shares[0] > 0.9
    assert_allclose(mixed.sum(axis=1), 1.0, rtol=1e-12)


def test_each_arm_has_its_own_mixing_weights() -> None:
    """Straight in one arm, a wave in the other."""
    rng = np.random.default_rng(2)
    matrix = rng.uniform(-2, 2, size=(900, 2))
    treatment = rng.integers(0, 2, size=900).astype(float)
    outcome = np.where(treatment == 1, np.sin(4 * matrix[:, 0]), matrix[:, 0]) + 0.3 * rng.normal(size=900)
    sample = sample_of(matrix, treatment, outcome)
    fit = cross_fit_outcome_by_arm(sample, default_outcome_model(), sample_folds(sample, 5, 0), 0)
    straight, wave = (int(part.split("%")[0]) for part in fit.words.split("per arm ")[1].split(", "))
    assert straight > 70
    assert wave < 30


def test_boosting_gives_an_arm_that_it_did_not_see_no_chance() -> None:
    rng = np.random.default_rng(3)
    matrix = rng.normal(size=(200, 2))
    codes = 2.0 * (matrix[:, 0] > 0)
    found = Boosting(classes=4).fit(matrix, codes, None, rng=0).predict(matrix)
    assert found.shape == (200, 4)
    assert_array_equal(found[:, [1, 3]], 0.0)
    assert_allclose(found.sum(axis=1), 1.0, rtol=1e-12)


@pytest.mark.parametrize("rows", [12, 60, 400])
def test_boosting_weighs_rows(rows: int) -> None:
    """Rows of weight 0 cannot teach anything: small samples are fitted without a validation share, too."""
    rng = np.random.default_rng(4)
    matrix = rng.normal(size=(rows, 2))
    target = np.where(np.arange(rows) % 2 == 0, 1.0, 100.0)
    weights = (np.arange(rows) % 2 == 0).astype(float)
    assert_allclose(Boosting().fit(matrix, target, weights, rng=0).predict(matrix), 1.0, rtol=1e-9)


def test_random_estimators_get_their_seed_from_the_fold() -> None:
    forest = RandomForestRegressor(n_estimators=5)
    one = cross_fit_outcome_mean(SAMPLE, forest, FOLDS, 0).values
    assert_array_equal(cross_fit_outcome_mean(SAMPLE, forest, FOLDS, 0).values, one)
    assert not np.array_equal(cross_fit_outcome_mean(SAMPLE, forest, FOLDS, 1).values, one)
    assert forest.random_state is None
    fixed = RandomForestRegressor(n_estimators=5, random_state=1)
    assert_array_equal(
        cross_fit_outcome_mean(SAMPLE, fixed, FOLDS, 0).values, cross_fit_outcome_mean(SAMPLE, fixed, FOLDS, 1).values
    )


def test_classifiers_of_several_arms_fill_all_columns() -> None:
    three = world(300, arms=3)
    found = cross_fit_propensity(three, RandomForestClassifier(n_estimators=5), sample_folds(three, 3, 0), 0).values
    assert found.shape == (300, 3)
    assert_allclose(found.sum(axis=1), 1.0, rtol=1e-12)
    two_of_three = Wrapped(RandomForestClassifier(n_estimators=5), 3).fit(
        three.covariates.matrix, 2.0 * (three.treatment.codes > 0), None, rng=0
    )
    assert_array_equal(two_of_three.predict(three.covariates.matrix)[:, 1], 0.0)


def test_an_amount_of_treatment_is_a_weighted_regression() -> None:
    rng = np.random.default_rng(5)
    matrix, weights = rng.normal(size=(200, 2)), rng.uniform(0.5, 2.0, size=200)
    amount = sample_of(matrix, matrix[:, 0] + rng.normal(size=200), rng.normal(size=200), weights=weights)
    assert amount.treatment.kind == "amount"
    folds = sample_folds(amount, 4, 0)
    found = cross_fit_treatment_mean(amount, LinearModel(), folds, 0).values
    design = np.column_stack([np.ones(200), matrix])
    for fold in range(4):
        rest = folds.codes != fold
        root = np.sqrt(weights[rest])
        slopes = np.linalg.lstsq(design[rest] * root[:, None], amount.treatment.values[rest] * root, rcond=None)[0]
        assert_allclose(found[~rest], design[~rest] @ slopes, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("model", [LinearModel(), Boosting(), default_outcome_model()], ids=repr)
def test_without_covariates_the_expectation_is_the_mean_of_the_other_folds(model: object) -> None:
    weights = np.random.default_rng(6).uniform(0.5, 2.0, size=300)
    bare = replace(SAMPLE.with_covariates(replace(SAMPLE.covariates, matrix=np.empty((300, 0)))), weights=weights)
    found = cross_fit_outcome_mean(bare, model, FOLDS, 0).values
    for fold in range(3):
        rest = FOLDS.codes != fold
        assert_allclose(found[~rest], np.average(SAMPLE.outcome[rest], weights=weights[rest]), rtol=1e-12)


def test_given_predictions_can_be_part_of_a_mix() -> None:
    perfect = OutOfFold(SAMPLE.outcome)
    fit = cross_fit_outcome_mean(SAMPLE, Mix(learners=(LinearModel(), perfect)), FOLDS, 0)
    assert_allclose(fit.values, SAMPLE.outcome, rtol=1e-6, atol=1e-6)
    assert "100% OutOfFold" in fit.words


def test_rows_without_weight_are_our_error() -> None:
    for model in (LinearModel(), LinearModel(penalty=0.1)):
        with pytest.raises(TooFewRows, match="weight"):
            model.fit(SAMPLE.covariates.matrix, SAMPLE.outcome, np.zeros(300), rng=0)
        with pytest.raises(TooFewRows, match="weight"):
            model.fit(np.empty((0, 2)), np.empty(0), None, rng=0)


def test_missing_values_are_our_error() -> None:
    holes = np.where(np.arange(900).reshape(300, 3) == 7, np.nan, SAMPLE.covariates.matrix)
    with pytest.raises(InvalidSetting, match="not finite"):
        LinearModel().fit(holes, SAMPLE.outcome, None, rng=0)
