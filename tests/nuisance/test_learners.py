"""Boosting, mixes, calibration, scikit-learn estimators and predictions from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from butfor.core.errors import InvalidSetting
from butfor.nuisance.boosting import Boosting
from butfor.nuisance.calibration import calibrate
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
from butfor.nuisance.wrap import OutOfFold, as_learner
from tests.nuisance.samples import expit, sample_of, world

FloatArray = NDArray[np.float64]

SAMPLE = world(400)
FOLDS = sample_folds(SAMPLE, 4, 0)


@dataclass(frozen=True)
class Curved:
    """A propensity that no straight line fits, with the truth."""

    rows: int = 1000
    seed: int = 0
    matrix: FloatArray = field(init=False)
    chance: FloatArray = field(init=False)
    codes: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        matrix = rng.normal(size=(self.rows, 5))
        chance = expit(0.6 * matrix[:, 0] + 0.8 * (np.abs(matrix[:, 1]) - 0.8))
        object.__setattr__(self, "matrix", matrix)
        object.__setattr__(self, "chance", chance)
        object.__setattr__(self, "codes", (rng.random(self.rows) < chance).astype(float))

    def error(self, model: object) -> float:
        """Root mean squared error of the out-of-fold propensity."""
        sample = sample_of(self.matrix, self.codes, np.random.default_rng(9).normal(size=self.rows))
        found = cross_fit_propensity(sample, model, sample_folds(sample, 5, 0), 0).values
        return float(np.sqrt(np.mean((found[:, 1] - self.chance) ** 2)))


def log_loss(chance: FloatArray, codes: FloatArray) -> float:
    return float(-np.mean(np.where(codes == 1, np.log(chance), np.log1p(-chance))))


# --- boosting -------------------------------------------------------------------------------------------------------


def test_early_stopped_shallow_boosting_beats_library_defaults() -> None:
    worlds = [Curved(seed=seed) for seed in range(3)]
    ours = np.mean([w.error(Boosting()) for w in worlds])
    library = np.mean([w.error(HistGradientBoostingClassifier(random_state=0)) for w in worlds])
    assert ours < 0.75 * library


def test_boosting_learns_a_curve() -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, size=(800, 2))
    truth = np.sin(2 * x[:, 0])
    sample = sample_of(x, rng.normal(size=800), truth + 0.3 * rng.normal(size=800), kind="amount")
    found = cross_fit_outcome_mean(sample, Boosting(), sample_folds(sample, 5, 0), 0).values
    assert np.mean((found - truth) ** 2) < 0.1 * truth.var()


def test_boosting_refuses_settings_out_of_range() -> None:
    for wrong in ({"leaves": 1}, {"learning_rate": 0.0}, {"validation": 1.0}, {"rounds": 0}):
        with pytest.raises(InvalidSetting):
            Boosting(**wrong)


# --- mix ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slope", [0.0, 2.0])
def test_a_mix_is_about_as_good_as_its_best_part(slope: float) -> None:
    rng = np.random.default_rng(3)
    x = rng.uniform(-2, 2, size=(600, 3))
    truth = slope * x[:, 0] + np.sin(3 * x[:, 1])
    sample = sample_of(x, rng.normal(size=600), truth + rng.normal(size=600), kind="amount")
    folds = sample_folds(sample, 5, 0)
    parts = (LinearModel(penalty=None), Boosting())
    errors = [np.mean((cross_fit_outcome_mean(sample, part, folds, 0).values - truth) ** 2) for part in parts]
    mixed = cross_fit_outcome_mean(sample, Mix(learners=parts), folds, 0)
    assert np.mean((mixed.values - truth) ** 2) < 1.1 * min(errors)
    assert "Boosting" in mixed.words
    assert "%" in mixed.words


def test_mixing_weights_are_the_constrained_least_squares() -> None:
    from scipy.optimize import minimize

    rng = np.random.default_rng(4)
    goal = rng.normal(size=200)
    candidates = [goal + s * rng.normal(size=200) for s in (0.5, 0.7, 3.0)] + [np.zeros(200)]
    found = Mix.weigh(candidates, goal, None)

    def loss(share: FloatArray) -> float:
        return float(np.sum((goal - np.column_stack(candidates) @ share) ** 2))

    oracle = minimize(
        loss,
        np.full(4, 0.25),
        method="SLSQP",
        bounds=[(0, 1)] * 4,
        constraints={"type": "eq", "fun": lambda s: s.sum() - 1},
        options={"ftol": 1e-12, "maxiter": 1000},
    ).x
    assert_allclose(found, oracle, atol=1e-4)
    assert_allclose(found.sum(), 1.0, rtol=1e-12)
    assert found.min() >= 0


def test_identical_candidates_can_be_mixed() -> None:
    goal = np.random.default_rng(5).normal(size=50)
    share = Mix.weigh([goal + 1, goal + 1, goal - 3], goal, None)
    assert_allclose(share.sum(), 1.0, rtol=1e-9)
    assert_allclose(share[:2].sum(), 0.75, atol=1e-6)  # 1·s − 3·(1 − s) = 0


def test_the_weights_of_a_fold_come_from_the_other_folds() -> None:
    rng = np.random.default_rng(6)
    target = rng.normal(size=300)
    folds = rng.integers(0, 3, size=300).astype(np.int32)
    candidates = [target + rng.normal(size=300), 0.5 * target]
    mix = Mix(learners=(LinearModel(), Boosting()))
    one, _ = mix.combine(candidates, target, folds, 3, None)
    changed = np.where(folds == 0, -50 * target, target)
    two, _ = mix.combine(candidates, changed, folds, 3, None)
    assert_array_equal(one[folds == 0], two[folds == 0])
    assert not np.array_equal(one[folds == 1], two[folds == 1])


def test_a_mix_without_learners_is_refused() -> None:
    with pytest.raises(InvalidSetting, match="Mix"):
        Mix(learners=())


# --- calibration ----------------------------------------------------------------------------------------------------


def test_calibration_mends_an_overconfident_propensity() -> None:
    rng = np.random.default_rng(7)
    index = rng.normal(size=4000)
    codes = (rng.random(4000) < expit(index)).astype(np.int32)
    folds = rng.integers(0, 5, size=4000).astype(np.int32)
    wild = expit(3.0 * index - 1.0)
    mended = calibrate(np.column_stack([1 - wild, wild]), codes, folds, 5, None)[:, 1]
    assert log_loss(mended, codes) < log_loss(wild, codes) - 0.1
    # Two estimated parameters on 3200 rows: an error of the order of sqrt(2 / 3200) in the index.
    assert np.sqrt(np.mean((mended - expit(index)) ** 2)) < 0.02


def test_calibration_of_several_arms_sums_to_one() -> None:
    rng = np.random.default_rng(8)
    index = np.column_stack([np.zeros(3000), rng.normal(size=(3000, 2))])
    truth = np.exp(index) / np.exp(index).sum(axis=1, keepdims=True)
    codes = (rng.random(3000)[:, None] > np.cumsum(truth, axis=1)[:, :-1]).sum(axis=1).astype(np.int32)
    wild = np.exp(3 * index) / np.exp(3 * index).sum(axis=1, keepdims=True)
    mended = calibrate(wild, codes, rng.integers(0, 5, size=3000).astype(np.int32), 5, None)
    assert_allclose(mended.sum(axis=1), 1.0, rtol=1e-12)
    assert np.sqrt(np.mean((mended - truth) ** 2)) < 0.03


def test_calibration_of_a_fold_comes_from_the_other_folds() -> None:
    rng = np.random.default_rng(9)
    chance = rng.uniform(0.1, 0.9, size=500)
    both = np.column_stack([1 - chance, chance])
    codes = (rng.random(500) < chance).astype(np.int32)
    folds = rng.integers(0, 4, size=500).astype(np.int32)
    changed = np.where(folds == 0, 1 - codes, codes).astype(np.int32)
    one, two = calibrate(both, codes, folds, 4, None), calibrate(both, changed, folds, 4, None)
    assert_allclose(two[folds == 0], one[folds == 0], atol=1e-7)
    assert np.abs(two[folds == 1] - one[folds == 1]).max() > 0.01


def test_defaults_predict_probabilities_inside_the_unit_interval() -> None:
    fit = cross_fit_propensity(SAMPLE, default_propensity_model(), FOLDS, 0)
    assert fit.values.shape == (400, 2)
    assert_allclose(fit.values.sum(axis=1), 1.0, rtol=1e-12)
    assert ((fit.values > 0) & (fit.values < 1)).all()
    outcomes = cross_fit_outcome_by_arm(SAMPLE, default_outcome_model(), FOLDS, 0).values
    own = outcomes[np.arange(400), SAMPLE.treatment.codes]
    assert np.mean((SAMPLE.outcome - own) ** 2) < 0.6 * SAMPLE.outcome.var()


# --- models from elsewhere ------------------------------------------------------------------------------------------


def test_scikit_learn_regressors_give_what_they_give() -> None:
    ours = cross_fit_outcome_by_arm(SAMPLE, LinearModel(), FOLDS, 0).values
    theirs = cross_fit_outcome_by_arm(SAMPLE, LinearRegression(), FOLDS, 0).values
    assert_allclose(theirs, ours, rtol=1e-7, atol=1e-7)


def test_scikit_learn_classifiers_give_what_they_give() -> None:
    theirs = make_pipeline(StandardScaler(), LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000))
    assert_allclose(
        cross_fit_propensity(SAMPLE, theirs, FOLDS, 0).values,
        cross_fit_propensity(SAMPLE, LogisticModel(), FOLDS, 0).values,
        atol=1e-5,
    )


def test_the_given_estimator_is_not_fitted_itself() -> None:
    given = Ridge()
    cross_fit_outcome_mean(SAMPLE, given, FOLDS, 0)
    assert not hasattr(given, "coef_")


def test_weights_reach_the_estimator_or_are_refused() -> None:
    counts = np.random.default_rng(1).integers(1, 4, size=400).astype(float)
    weighted = sample_of(SAMPLE.covariates.matrix, SAMPLE.treatment.values, SAMPLE.outcome, weights=counts)
    folds = sample_folds(weighted, 4, 0)
    assert_allclose(
        cross_fit_outcome_mean(weighted, LinearRegression(), folds, 0).values,
        cross_fit_outcome_mean(weighted, LinearModel(), folds, 0).values,
        rtol=1e-7,
        atol=1e-7,
    )
    with pytest.raises(InvalidSetting, match="sample_weight"):
        cross_fit_outcome_mean(weighted, KNeighborsRegressor(), folds, 0)


def test_what_is_no_model_is_refused() -> None:
    for wrong in ("forest", 3, LinearRegression, object()):
        with pytest.raises(InvalidSetting):
            as_learner(wrong, classes=0)
    with pytest.raises(InvalidSetting, match="predict_proba"):
        as_learner(Ridge(), classes=2)


def test_the_wrong_kind_of_model_is_refused() -> None:
    with pytest.raises(InvalidSetting):
        cross_fit_propensity(SAMPLE, LinearModel(), FOLDS, 0)
    with pytest.raises(InvalidSetting):
        cross_fit_outcome_by_arm(SAMPLE, LogisticModel(), FOLDS, 0)
    with pytest.raises(InvalidSetting):
        cross_fit_outcome_mean(SAMPLE, Mix(learners=(LinearModel(), LogisticModel())), FOLDS, 0)
    with pytest.raises(InvalidSetting):
        # It would predict 0 or 1, not the chance of 1.
        cross_fit_outcome_mean(SAMPLE, LogisticRegression(), FOLDS, 0)


# --- predictions from elsewhere -------------------------------------------------------------------------------------


def test_given_predictions_are_used_as_they_are() -> None:
    rng = np.random.default_rng(2)
    chance = rng.uniform(0.1, 0.9, size=400)
    outcomes = rng.normal(size=(400, 2))
    assert_array_equal(cross_fit_propensity(SAMPLE, OutOfFold(chance), FOLDS, 0).values[:, 1], chance)
    assert_array_equal(cross_fit_outcome_by_arm(SAMPLE, OutOfFold(outcomes), FOLDS, 0).values, outcomes)
    assert_array_equal(cross_fit_outcome_mean(SAMPLE, OutOfFold(chance), FOLDS, 0).values, chance)
    assert_array_equal(cross_fit_treatment_mean(SAMPLE, OutOfFold(chance), FOLDS, 0).values, chance)


def test_given_predictions_must_fit_the_rows() -> None:
    with pytest.raises(InvalidSetting, match="shape"):
        cross_fit_propensity(SAMPLE, OutOfFold(np.full(399, 0.5)), FOLDS, 0)
    with pytest.raises(InvalidSetting, match="finite"):
        cross_fit_outcome_mean(SAMPLE, OutOfFold(np.full(400, np.nan)), FOLDS, 0)


def test_one_column_is_no_outcome_for_two_arms() -> None:
    with pytest.raises(InvalidSetting, match="shape"):
        cross_fit_outcome_by_arm(SAMPLE, OutOfFold(np.zeros(400)), FOLDS, 0)


def test_given_propensities_must_be_probabilities() -> None:
    for wrong in (np.full(400, 1.5), np.full(400, -0.1), np.full((400, 2), 0.7)):
        with pytest.raises(InvalidSetting):
            cross_fit_propensity(SAMPLE, OutOfFold(wrong), FOLDS, 0)


def test_given_predictions_cannot_be_refitted() -> None:
    with pytest.raises(InvalidSetting, match="predictions"):
        OutOfFold(np.zeros(3)).fit(np.zeros((3, 1)), np.zeros(3), None, rng=0)
