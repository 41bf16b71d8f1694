"""Effects of units on times: what the forest comes down to, whether it finds them, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import butfor as bf
from butfor.core.errors import InvalidSetting, MethodMismatch
from butfor.estimators.forest.fit import ForestFit
from butfor.nuisance.censored import Quantity, complete
from butfor.nuisance.hazards import Hazards
from butfor.nuisance.spells import Clock
from butfor.study_file.registry import estimator
from tests.simulation.survival import FOREST, SEVERAL

ROLES: dict[str, Any] = {
    "treatment": "treatment",
    "outcome": "outcome",
    "event": "seen",
    "covariates": ["x1", "x2", "x3"],
}


def drawn(n: int, seed: int = 1) -> dict[str, np.ndarray]:
    return SEVERAL.draw(np.random.default_rng(seed), n)


def fitted(estimator_: bf.CausalSurvivalForest, frame: Any, **roles: Any) -> ForestFit:
    fit = estimator_.fit(frame, **(ROLES | roles))
    assert isinstance(fit, ForestFit)
    return fit


# --- what it comes down to -------------------------------------------------------------------------------------------


def test_without_losses_it_is_the_causal_forest_of_the_cut_times() -> None:
    frame = drawn(300) | {"seen": np.ones(300, dtype=int)}
    ours = fitted(replace(FOREST, horizon=5.0), frame)
    given = {"outcome_model": bf.OutOfFold(np.minimum(frame["outcome"], 5.0) - ours.outcome_residual)}
    treated = bf.OutOfFold(frame["treatment"] - ours.treatment_residual)
    cut = ours.sample.with_outcome("outcome", np.minimum(frame["outcome"], 5.0))
    forest = bf.CausalForest(trees=FOREST.trees, treatment_model=treated, **given)
    plain = forest.fit_sample(cut, ours.question, ours.strategy)
    assert_allclose(plain.outcome_residual, ours.outcome_residual, atol=1e-9)
    assert_allclose(plain.result.value, ours.result.value, rtol=1e-8)
    assert_allclose(plain.result.influence, ours.result.influence, atol=1e-8)
    assert_allclose(plain.effect().value, ours.effect().value, atol=1e-8)


def test_the_weights_of_the_estimating_equation_need_no_censoring() -> None:
    # Completing the number one gives one, whatever the hazards: the denominator of the paper's score is (T − e)².
    rng = np.random.default_rng(2)
    n = 40
    times, seen = rng.integers(1, 9, n).astype(float), rng.integers(0, 2, n).astype(float)
    clock = Clock.of(times, seen, (8.0,), np.ones(n), None)
    size = len(clock.points)
    models = [Hazards(rng.uniform(0.0, 0.6, (n, size)), np.ones(size), np.arange(size)) for _ in range(2)]
    one = Quantity("one", 1.0, np.zeros(size))
    found = complete(clock, np.zeros(n, dtype=np.int32), (models[0],), (models[1],), (one,), 0.001)
    assert_array_equal(found.values, np.ones((n, 1)))


def test_completed_outcomes_have_the_right_mean_by_enumeration() -> None:
    # Every course of three days, with its probability: true hazards of one of the two suffice.
    dying, leaving = np.array([0.2, 0.3, 0.4]), np.array([0.3, 0.1, 0.5])
    courses: list[tuple[float, float, float]] = []
    chance = 1.0
    for day in range(3):
        lost = chance * leaving[day]
        courses.append((day + 0.5, 0.0, lost))
        chance -= lost
        died = chance * dying[day]
        courses.append((day + 1.0, 1.0, died))
        chance -= died
    courses.append((4.0, 0.0, chance))
    times, seen, mass = np.array(courses).T
    clock = Clock.of(times, seen, (3.0,), np.ones(len(times)), None)
    asked = (Quantity.restricted_mean(clock, 3.0, ""), Quantity.survival(clock, 2.0, ""))
    alive = np.cumprod(1.0 - dying)
    truth = [1.0 + alive[0] + alive[1], alive[1]]
    shape = (np.ones(3), np.arange(3))
    for event, sight in ((dying, leaving), (dying, leaving / 2), (dying / 2, leaving)):
        models = ((Hazards(event[None], *shape),), (Hazards(sight[None], *shape),))
        found = complete(clock, np.zeros(len(times), dtype=np.int32), *models, asked, 0.001)
        assert_allclose(mass @ found.values, truth, rtol=1e-12)
    both = ((Hazards(dying[None] / 2, *shape),), (Hazards(leaving[None] / 2, *shape),))
    wrong = complete(clock, np.zeros(len(times), dtype=np.int32), *both, asked, 0.001)
    assert not np.allclose(mass @ wrong.values, truth, rtol=1e-3)


# --- whether it finds them -------------------------------------------------------------------------------------------


def _rates(x: np.ndarray, arm: int) -> np.ndarray:
    """The treatment all but ends the hazard of those with x > 0, and does nothing for others."""
    return 0.15 * np.exp(-2.0 * arm * (x > 0))


def split(n: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3))
    t = (rng.random(n) < 1.0 / (1.0 + np.exp(-0.7 * x[:, 0]))).astype(int)
    time = rng.exponential(1.0 / np.where(t == 1, _rates(x[:, 0], 1), _rates(x[:, 0], 0)))
    lost = rng.exponential(1.0 / (0.06 * np.exp(0.6 * x[:, 0] - 0.3 * t)))
    columns = {f"x{j + 1}": x[:, j] for j in range(3)}
    seen = {"outcome": np.minimum(time, lost), "seen": (time <= lost).astype(int), "time": time}
    return {"treatment": t} | seen | columns


def mean_at(x: np.ndarray, arm: int) -> np.ndarray:
    return -np.expm1(-10.0 * _rates(x, arm)) / _rates(x, arm)


def test_effects_of_units_come_nearer_with_more_rows_as_if_nobody_had_left_sight() -> None:
    ours, theirs = [], []
    for n in (500, 4000):
        frame = split(n, seed=4)
        truth = mean_at(frame["x1"], 1) - mean_at(frame["x1"], 0)
        fit = fitted(replace(FOREST, trees=500), frame)
        assert abs(fit.result.value[0] - truth.mean()) < 4 * fit.result.std_error[0]
        # The causal forest of the same design where every time is seen.
        full = {**frame, "outcome": np.minimum(frame["time"], 10.0)}
        plain = bf.CausalForest(trees=500, outcome_model=bf.LinearModel(), treatment_model=bf.LogisticModel()).fit(
            full, treatment="treatment", outcome="outcome", covariates=ROLES["covariates"]
        )
        assert isinstance(plain, ForestFit)
        for found, errors in ((fit, ours), (plain, theirs)):
            errors.append(float(np.mean((found.effect().value[:, 0] - truth) ** 2)))
    assert ours[1] < ours[0]
    # A third of the events are not seen: a loss of rows, not of the rate.
    assert ours[1] < 2.0 * theirs[1]


def test_chances_at_a_time_are_found_too() -> None:
    frame = split(4000, seed=5)
    fit = fitted(replace(FOREST, horizon=None, time=5.0), frame)
    truth = np.exp(-5.0 * _rates(frame["x1"], 1)) - np.exp(-5.0 * _rates(frame["x1"], 0))
    assert fit.result.labels == ("treatment: 1 - 0, survival to 5",)
    assert abs(fit.result.value[0] - truth.mean()) < 4 * fit.result.std_error[0]
    # Better than the same effect for all.
    assert np.mean((fit.effect().value[:, 0] - truth) ** 2) < 0.2 * truth.var()


# --- what belongs to a fit -------------------------------------------------------------------------------------------


def test_new_units_groups_and_checks() -> None:
    frame = drawn(600)
    fit = fitted(FOREST, frame, modifiers=["x2"])
    assert fit.result.labels[0] == "treatment: 1 - 0, mean to 10"
    assert fit.result.labels[1].startswith("treatment: 1 - 0, mean to 10 | x2")
    assert "independent-censoring" in {a.name for a in fit.result.assumptions}
    assert fit.result.estimator == "causal_survival_forest"
    low, high = fit.effect({"x1": [-1.5, 1.5], "x2": [0.0, 0.0], "x3": [0.0, 0.0]}).value[:, 0]
    assert np.isfinite([low, high]).all()
    groups = fit.group_effects({"high": frame["x1"] > 0, "low": frame["x1"] <= 0})
    whole = groups.contrast([[np.mean(frame["x1"] > 0), np.mean(frame["x1"] <= 0)]])
    assert whole.value[0] == pytest.approx(fit.result.value[0], abs=1e-10)
    refutation = bf.PlaceboTreatment(simulations=2).refute(fit)
    assert np.isfinite(refutation.refuted_estimate)


def test_several_arms() -> None:
    frame = drawn(900)
    arms = np.array(["a", "b", "c"])[np.random.default_rng(0).integers(0, 3, 900)]
    fit = fitted(FOREST, frame | {"treatment": arms})
    assert fit.effect().value.shape == (900, 2)
    # The arms are drawn anew and do nothing.
    assert np.all(np.abs(fit.result.value) < 4 * fit.result.std_error)


def test_refusals_have_their_words() -> None:
    frame = drawn(200)
    with pytest.raises(InvalidSetting, match="needs one of them"):
        bf.CausalSurvivalForest(time=1.0, horizon=2.0)
    with pytest.raises(InvalidSetting, match="positive"):
        bf.CausalSurvivalForest(time=-1.0)
    with pytest.raises(InvalidSetting, match="no covariate"):
        FOREST.fit(frame, **(ROLES | {"covariates": []}))
    with pytest.raises(MethodMismatch, match="names no event"):
        FOREST.fit(frame, **(ROLES | {"event": None}))
    with pytest.raises(MethodMismatch, match="an amount"):
        FOREST.fit(frame | {"treatment": frame["x2"]}, **(ROLES | {"covariates": ["x1"]}))
    with pytest.raises(InvalidSetting, match="in sight after"):
        replace(FOREST, horizon=99.0).fit(frame, **ROLES)


def test_study_files_name_it() -> None:
    assert estimator({"causal_survival_forest": {"time": 12, "trees": 500}}) == bf.CausalSurvivalForest(
        time=12, trees=500
    )
