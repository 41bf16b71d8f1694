"""Any regressor as a model, predictions made elsewhere, several arms and weights, through every learner."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.ensemble import RandomForestRegressor
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

import butfor as bf
from butfor.core.errors import InvalidSetting
from tests.estimators.test_meta import LINEAR, ROLES, design, world

STAGED = (bf.XLearner, bf.RLearner, bf.DRLearner)
ALL = (bf.SLearner, bf.TLearner, *STAGED)
NAMES = [kind.title for kind in STAGED]


@pytest.mark.parametrize("kind", STAGED, ids=NAMES)
@pytest.mark.parametrize("arms", [2, 3])
def test_scikit_learns_least_squares_as_effect_model_is_ours(kind: Any, arms: int) -> None:
    frame, new = world(arms=arms), world(30, seed=1)
    for weights in (None, "copies"):
        ours = kind(effect_model=bf.LinearModel(), **LINEAR).fit(frame, weights=weights, **ROLES)
        theirs = kind(effect_model=LinearRegression(), **LINEAR).fit(frame, weights=weights, **ROLES)
        assert_allclose(theirs.effect(new).value, ours.effect(new).value, rtol=0, atol=1e-8)
        assert_allclose(theirs.effect().value, ours.effect().value, rtol=0, atol=1e-8)


@pytest.mark.parametrize("kind", STAGED, ids=NAMES)
@pytest.mark.parametrize("model", [RandomForestRegressor(10), SVR(), KernelRidge()], ids=lambda m: type(m).__name__)
def test_any_regressor_that_takes_weights_serves_every_learner(kind: Any, model: Any) -> None:
    """The same seed gives the same bits, though the model was given no random state."""
    frame, new = world(120, arms=3), world(30, seed=1)
    learner = kind(effect_model=model, **LINEAR)
    one, two = (learner.fit(frame, weights="copies", rng=5, **ROLES).effect(new).value for _ in range(2))
    assert one.shape == (30, 2)
    assert np.isfinite(one).all()
    assert_allclose(two, one, rtol=0, atol=0)


@pytest.mark.parametrize("model", [KNeighborsRegressor(), make_pipeline(StandardScaler(), LinearRegression())])
def test_models_without_weights_serve_where_there_are_none(model: Any) -> None:
    frame, new = world(), world(30, seed=1)
    for kind in (bf.XLearner, bf.DRLearner):
        assert np.isfinite(kind(effect_model=model, **LINEAR).fit(frame, **ROLES).effect(new).value).all()
        with pytest.raises(InvalidSetting, match="takes no sample_weight"):
            kind(effect_model=model, **LINEAR).fit(frame, weights="copies", **ROLES).effect(new)
    with pytest.raises(InvalidSetting, match="takes no sample_weight"):
        bf.RLearner(effect_model=model, **LINEAR).fit(frame, **ROLES).effect(new)


@pytest.mark.parametrize("model", [KNeighborsRegressor(), LinearRegression()], ids=lambda m: type(m).__name__)
def test_any_regressor_models_the_outcome_of_s_and_t(model: Any) -> None:
    frame, new = world(arms=3), world(30, seed=1)
    for kind in (bf.SLearner, bf.TLearner):
        learner = kind(outcome_model=model, propensity_model=bf.LogisticModel())
        assert np.isfinite(learner.fit(frame, **ROLES).effect(new).value).all()


@pytest.mark.parametrize("arms", [2, 3])
def test_an_r_learner_takes_propensities_made_elsewhere(arms: int) -> None:
    """With AIPW's own propensities it is the learner that learns them itself."""
    frame, new = world(arms=arms), world(30, seed=1)
    own = bf.RLearner(effect_model=bf.LinearModel(), **LINEAR).fit(frame, **ROLES)
    given: Any = replace(own.estimator, propensity_model=bf.OutOfFold(own.propensity))  # type: ignore[arg-type]
    again = given.fit(frame, **ROLES)
    assert_allclose(again.effect(new).value, own.effect(new).value, rtol=0, atol=1e-9)  # type: ignore[attr-defined]
    assert np.isfinite(again.effect().value).all()


@pytest.mark.parametrize("arms", [2, 3])
def test_an_x_learner_takes_outcomes_made_elsewhere(arms: int) -> None:
    frame, new = world(arms=arms), world(30, seed=1)
    own: Any = bf.XLearner(effect_model=bf.LinearModel(), **LINEAR).fit(frame, **ROLES)
    given: Any = replace(own.estimator, outcome_model=bf.OutOfFold(own.outcomes))
    again = given.fit(frame, **ROLES)
    assert_allclose(again.effect(new).value, own.effect(new).value, rtol=0, atol=1e-9)
    assert np.isfinite(again.effect().value).all()


@pytest.mark.parametrize("kind", [bf.SLearner, bf.TLearner], ids=["S", "T"])
def test_predictions_cannot_answer_about_new_rows(kind: Any) -> None:
    learner = kind(outcome_model=bf.OutOfFold(np.zeros((300, 2))), propensity_model=bf.LogisticModel())
    fit = learner.fit(world(), **ROLES)
    with pytest.raises(InvalidSetting, match="predictions, not a model") as caught:
        fit.effect(world(20))
    assert caught.value.hint


def test_a_stack_of_learners_with_models_of_their_own_and_three_arms() -> None:
    frame, new = world(240, arms=3), world(20, seed=1)
    forest: Any = RandomForestRegressor(5)
    stack = bf.EffectStack(candidates=(bf.TLearner(outcome_model=forest), bf.DRLearner(effect_model=forest)), **LINEAR)
    fit: Any = stack.fit(frame, weights="copies", **ROLES)
    assert fit.effect(new).value.shape == (20, 2)
    assert_allclose(fit.model.shares.sum(axis=0), 1.0, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.title)
def test_rows_of_weight_almost_zero_do_not_matter(kind: Any) -> None:
    """Half the rows get an effect that is smaller by 50, and next to no weight.

    If they counted, the average would be 25 too small. An average over 200 rows with a standard deviation of 1.9 within
    arms has a standard error of 2 · 1.9 / √200 = .27, of which four are allowed.
    """
    frame = world(400)
    off = np.arange(400) % 2 == 0
    spoiled = frame | {"y": np.where(off, frame["y"] - 50 * frame["t"], frame["y"]), "copies": np.where(off, 1e-9, 1.0)}
    models: dict[str, Any] = {**LINEAR, **({"effect_model": bf.LinearModel()} if kind in STAGED else {})}
    effects = kind(**models).fit(spoiled, weights="copies", **ROLES).effect(frame).value[:, 0]
    x = design(frame)
    truth = 1 + x[:, 0] - 0.5 * x[:, 2]
    assert abs(np.mean(effects - truth)) < 4 * 0.27
