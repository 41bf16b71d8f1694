"""The one engine: no row is predicted by a model that saw it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from butfor.core.rng import Seed
from butfor.data.sample import Covariates
from butfor.nuisance.boosting import Boosting
from butfor.nuisance.crossfit import (
    CrossFit,
    cross_fit_outcome_by_arm,
    cross_fit_outcome_mean,
    cross_fit_propensity,
    cross_fit_treatment_mean,
)
from butfor.nuisance.defaults import default_propensity_model
from butfor.nuisance.folds import sample_folds
from butfor.nuisance.learner import Learner
from butfor.nuisance.linear import LinearModel
from butfor.nuisance.logistic import LogisticModel
from tests.nuisance.samples import sample_of, world

FloatArray = NDArray[np.float64]
MEMORY = 1e6


@dataclass(frozen=True)
class Remembered:
    """Recognises every row that it was trained on."""

    rows: frozenset[bytes]

    def predict(self, matrix: FloatArray) -> FloatArray:
        return np.array([MEMORY if row.tobytes() in self.rows else 0.0 for row in matrix])


@dataclass(frozen=True)
class Memory(Learner):
    """Predicts a million for every row that it has seen."""

    def fit(self, matrix: FloatArray, target: FloatArray, weights: FloatArray | None, *, rng: Seed) -> Remembered:
        return Remembered(frozenset(row.tobytes() for row in matrix))


@dataclass(frozen=True)
class Constant:
    """The mean of the training target, less what a draw adds."""

    value: float

    def predict(self, matrix: FloatArray) -> FloatArray:
        return np.full(len(matrix), self.value)


@dataclass(frozen=True)
class Mean(Learner):
    """Mean of the training target plus a random draw."""

    noise: float = 0.0

    def fit(self, matrix: FloatArray, target: FloatArray, weights: FloatArray | None, *, rng: Seed) -> Constant:
        draw = np.random.default_rng(rng).normal() if self.noise else 0.0
        return Constant(float(np.average(target, weights=weights)) + self.noise * draw)


SAMPLE = world(300)
FOLDS = sample_folds(SAMPLE, 5, 0)
ALL: tuple[tuple[Callable[..., CrossFit], Any], ...] = (
    (cross_fit_propensity, LogisticModel()),
    (cross_fit_propensity, LogisticModel(penalty=None)),
    (cross_fit_outcome_by_arm, LinearModel()),
    (cross_fit_outcome_by_arm, LinearModel(penalty=None)),
    (cross_fit_outcome_mean, LinearModel(penalty=0.1)),
    (cross_fit_treatment_mean, LinearModel()),
)
exact = pytest.mark.parametrize(("fit", "model"), ALL, ids=lambda v: repr(v) if isinstance(v, Learner) else v.__name__)


def test_no_row_is_predicted_by_a_model_that_saw_it() -> None:
    assert_array_equal(cross_fit_outcome_mean(SAMPLE, Memory(), FOLDS, 0).values, 0.0)
    assert_array_equal(cross_fit_outcome_by_arm(SAMPLE, Memory(), FOLDS, 0).values, 0.0)


@pytest.mark.parametrize(
    ("fit", "model"),
    [*ALL, (cross_fit_outcome_mean, Boosting()), (cross_fit_outcome_by_arm, Boosting())],
    ids=lambda v: repr(v) if isinstance(v, Learner) else v.__name__,
)
def test_the_outcome_of_a_fold_does_not_reach_its_own_predictions(fit: Callable[..., CrossFit], model: Any) -> None:
    inside = FOLDS.codes == 2
    treatment = SAMPLE.treatment
    flipped = np.where(inside, 1 - treatment.codes, treatment.codes)
    changed = replace(
        SAMPLE,
        outcome=np.where(inside, 7.0 - 3.0 * SAMPLE.outcome, SAMPLE.outcome),
        treatment=treatment if fit is cross_fit_outcome_by_arm else treatment.with_codes(flipped.astype(np.int32)),
    )
    one, two = fit(SAMPLE, model, FOLDS, 0).values, fit(changed, model, FOLDS, 0).values
    if model != LogisticModel(penalty=None):  # one penalty for all folds: tuned, as usual, on all rows
        assert_allclose(two[inside], one[inside], rtol=1e-7, atol=1e-7)
    assert not np.allclose(two[~inside], one[~inside], rtol=1e-6)


def test_each_fold_gets_the_mean_of_the_others() -> None:
    found = cross_fit_outcome_mean(SAMPLE, Mean(), FOLDS, 0).values
    for fold in range(5):
        held = FOLDS.codes == fold
        assert_allclose(found[held], SAMPLE.outcome[~held].mean(), rtol=1e-12)


def test_each_arm_learns_from_its_own_rows() -> None:
    found = cross_fit_outcome_by_arm(SAMPLE, Mean(), FOLDS, 0).values
    for fold in range(5):
        for arm in range(2):
            rest = (FOLDS.codes != fold) & (SAMPLE.treatment.codes == arm)
            assert_allclose(found[FOLDS.codes == fold, arm], SAMPLE.outcome[rest].mean(), rtol=1e-12)


def test_linear_by_arm_is_one_regression_per_arm_and_fold() -> None:
    three = world(400, seed=1, arms=3)
    folds = sample_folds(three, 4, 0)
    found = cross_fit_outcome_by_arm(three, LinearModel(), folds, 0).values
    design = np.column_stack([np.ones(400), three.covariates.matrix])
    for fold in range(4):
        for arm in range(3):
            rest = (folds.codes != fold) & (three.treatment.codes == arm)
            slopes = np.linalg.lstsq(design[rest], three.outcome[rest], rcond=None)[0]
            held = folds.codes == fold
            assert_allclose(found[held, arm], design[held] @ slopes, rtol=1e-8, atol=1e-8)


@exact
def test_row_order_does_not_matter(fit: Callable[..., CrossFit], model: Any) -> None:
    order = np.random.default_rng(1).permutation(SAMPLE.n)
    shuffled = SAMPLE.take(order)
    found = fit(shuffled, model, sample_folds(shuffled, 5, 0), 0).values
    assert_allclose(found, fit(SAMPLE, model, FOLDS, 0).values[order], rtol=1e-7, atol=1e-7)


@exact
def test_weights_are_repeated_rows(fit: Callable[..., CrossFit], model: Any) -> None:
    copies = np.random.default_rng(2).integers(1, 4, size=SAMPLE.n)
    weighted = replace(SAMPLE, weights=copies.astype(float))
    source = np.repeat(np.arange(SAMPLE.n), copies)
    repeated = SAMPLE.take(source)
    found = fit(repeated, model, sample_folds(repeated, 5, 0), 0).values
    oracle = fit(weighted, model, sample_folds(weighted, 5, 0), 0).values
    assert_allclose(found, oracle[source], rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("model", [Mean(noise=1.0), Boosting()], ids=repr)
def test_the_seed_decides_and_is_reproducible(model: Learner) -> None:
    one = cross_fit_outcome_mean(SAMPLE, model, FOLDS, 3).values
    assert_array_equal(cross_fit_outcome_mean(SAMPLE, model, FOLDS, 3).values, one)
    assert not np.array_equal(cross_fit_outcome_mean(SAMPLE, model, FOLDS, 4).values, one)


def test_folds_draw_independently() -> None:
    centred = replace(SAMPLE, outcome=np.zeros(SAMPLE.n))
    draws = np.unique(cross_fit_outcome_mean(centred, Mean(noise=1.0), FOLDS, 0).values)
    assert len(draws) == 5


@pytest.mark.parametrize("arms", [2, 3])
def test_without_covariates_the_propensity_is_the_share_of_the_other_folds(arms: int) -> None:
    base = world(300, arms=arms)
    weights = np.random.default_rng(3).uniform(0.5, 2.0, size=300)
    bare = sample_of(np.empty((300, 0)), base.treatment.values, base.outcome, weights=weights)
    folds = sample_folds(bare, 3, 0)
    found = cross_fit_propensity(bare, default_propensity_model(), folds, 0).values
    for fold in range(3):
        rest = folds.codes != fold
        share = np.bincount(bare.treatment.codes[rest], weights=weights[rest]) / weights[rest].sum()
        assert_allclose(found[folds.codes == fold], np.broadcast_to(share, (int((~rest).sum()), arms)), rtol=1e-12)


def test_values_are_read_only() -> None:
    values = cross_fit_outcome_mean(SAMPLE, LinearModel(), FOLDS, 0).values
    with pytest.raises(ValueError, match="read-only"):
        values[0] = 1.0


def test_without_covariates_the_outcome_is_the_mean_of_the_arm_in_the_other_folds() -> None:
    full = world(60)
    sample = full.with_covariates(Covariates(np.empty((full.n, 0)), (), ()))
    folds = sample_folds(sample, 3, 0)
    found = cross_fit_outcome_by_arm(sample, Boosting(), folds, 0).values
    outside = (folds.codes != 1) & (sample.treatment.codes == 0)
    assert_allclose(found[folds.codes == 1, 0], sample.outcome[outside].mean(), rtol=1e-12)
