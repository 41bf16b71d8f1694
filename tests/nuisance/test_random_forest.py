"""Random forests as nuisance models: closed forms, what must not matter, and scikit-learn's forest beside them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from butfor.core.errors import ButforError, InvalidSetting
from butfor.nuisance.crossfit import cross_fit_outcome_by_arm, cross_fit_propensity
from butfor.nuisance.folds import sample_folds
from butfor.nuisance.mix import Mix
from butfor.nuisance.random_forest import RandomForest
from tests.nuisance.samples import world

SMALL = RandomForest(trees=60)


def curved(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Covariates, a surface that no plane fits, and codes of two classes whose log-odds it is."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 8))
    mean = np.sin(2.0 * x[:, 0]) + x[:, 1] * x[:, 2] + (x[:, 3] > 0)
    return x, mean, (rng.random(n) < 1.0 / (1.0 + np.exp(-mean))).astype(float)


def test_a_forest_that_may_not_split_is_the_mean_of_its_rows() -> None:
    rng = np.random.default_rng(0)
    x, y, w = rng.normal(size=(50, 2)), rng.normal(size=50), rng.uniform(0.5, 2.0, 50)
    stump = RandomForest(trees=3, subsample=1.0, min_node_size=50)
    assert_allclose(stump.fit(x, y, w, rng=0).predict(x[:4]), np.average(y, weights=w))
    shares = replace(stump, classes=3).fit(x, (y > 0) * 2.0, w, rng=0).predict(x[:4])
    share = np.average(y > 0, weights=w)
    assert_allclose(shares, np.tile([1.0 - share, 0.0, share], (4, 1)), atol=1e-12)


def test_it_predicts_as_well_as_scikit_learns_forest() -> None:
    x, mean, codes = curved(2000, 0)
    new, truth, _ = curved(2000, 1)
    y = mean + np.random.default_rng(2).normal(size=2000)
    peers = {"n_estimators": 200, "min_samples_leaf": 5, "max_features": 1 / 3, "random_state": 0}

    def error(found: np.ndarray, expected: np.ndarray) -> float:
        return float(np.sqrt(np.mean((found - expected) ** 2)))

    ours, peer = RandomForest(trees=200).fit(x, y, None, rng=0), RandomForestRegressor(**peers).fit(x, y)
    assert error(ours.predict(new), truth) < 1.05 * error(peer.predict(new), truth)
    chance = 1.0 / (1.0 + np.exp(-truth))
    classes = replace(RandomForest(trees=200), classes=2).fit(x, codes, None, rng=0)
    other = RandomForestClassifier(**peers).fit(x, codes)
    assert error(classes.predict(new)[:, 1], chance) < 1.05 * error(other.predict_proba(new)[:, 1], chance)


def test_many_classes_share_one_and_unseen_ones_have_none() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 2))
    codes = rng.integers(0, 8, 600).astype(float)
    codes[x[:, 0] > 0] = 7.0
    found = replace(SMALL, classes=10).fit(x, codes, None, rng=0).predict(np.array([[2.0, 0.0], [-2.0, 0.0]]))
    assert_allclose(found.sum(axis=1), 1.0)
    assert found.shape == (2, 10)
    assert (found[:, 8:] == 0.0).all()
    assert found[0, 7] > 0.95
    assert found[1, 7] < 0.5


def test_order_of_rows_and_units_of_covariates_do_not_matter() -> None:
    x, mean, _ = curved(300, 3)
    one = SMALL.fit(x, mean, None, rng=5).predict(x)
    order = np.random.default_rng(0).permutation(300)
    assert_array_equal(SMALL.fit(x[order], mean[order], None, rng=5).predict(x), one)
    assert_array_equal(SMALL.fit(np.exp(x), mean, None, rng=5).predict(np.exp(x)), one)


def test_rows_of_weight_zero_are_left_out() -> None:
    x, mean, _ = curved(300, 4)
    w = (np.arange(300) % 3 > 0).astype(float)
    found = SMALL.fit(x, mean, w, rng=1).predict(x)
    assert_array_equal(found, SMALL.fit(x[w > 0], mean[w > 0], np.ones(200), rng=1).predict(x))


def test_a_missing_value_can_be_what_tells() -> None:
    rng = np.random.default_rng(0)
    x = np.where(rng.random(600) < 0.3, np.nan, rng.normal(size=600))[:, None]
    y = np.isnan(x[:, 0]) * 4.0
    assert_allclose(SMALL.fit(x, y, None, rng=0).predict(x), y, atol=1e-12)


def test_it_serves_the_cross_fitter_alone_and_in_a_mix() -> None:
    sample = world(400)
    folds = sample_folds(sample, 4, 0)
    for model in (SMALL, Mix(learners=(SMALL, RandomForest(trees=20)), calibrated=True)):
        propensity = cross_fit_propensity(sample, model, folds, 0).values
        assert_allclose(propensity.sum(axis=1), 1.0)
        assert propensity.min() >= 0.0
    assert cross_fit_outcome_by_arm(sample, SMALL, folds, 0).values.shape == propensity.shape


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(ButforError):
        SMALL.fit(np.zeros((3, 1)), np.zeros(3), None, rng=0)


@pytest.mark.parametrize(
    "settings", [{"trees": 0}, {"classes": -1}, {"subsample": 1.5}, {"honesty": 1.0}, {"features": -2}]
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidSetting):
        RandomForest(**settings)
