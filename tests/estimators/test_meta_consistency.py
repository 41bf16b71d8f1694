"""Effects of units come nearer to the truth at the rate, and with the constant, that theory says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import butfor as bf
from butfor.estimators.meta.dr_learner import DRLearner
from butfor.estimators.meta.r_learner import RLearner
from butfor.estimators.meta.s_learner import SLearner
from butfor.estimators.meta.t_learner import TLearner
from butfor.estimators.meta.x_learner import XLearner

LINEAR: dict[str, Any] = {"outcome_model": bf.LinearModel(), "propensity_model": bf.LogisticModel()}
EFFECT = bf.LinearModel()
ROLES: dict[str, Any] = {"treatment": "t", "outcome": "y", "covariates": ["x"]}
Frame = dict[str, np.ndarray]


def randomised(n: int, seed: int) -> Frame:
    """Half are treated; y = x + t (1 + x) + ε with variance one."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    t = (rng.random(n) < 0.5).astype(int)
    return {"t": t, "x": x, "y": x + t * (1 + x) + rng.normal(size=n)}


def squared_errors(learner: Any, n: int, draws: int) -> np.ndarray:
    """n E[(τ̂(x) − τ(x))²] over x ~ N(0, 1), one per draw: both functions are lines, so two points tell."""
    found = []
    for seed in range(draws):
        at = learner.fit(randomised(n, seed), **ROLES).effect({"x": [0.0, 1.0]}).value[:, 0]
        found.append(n * ((at[0] - 1) ** 2 + (at[1] - at[0] - 1) ** 2))
    return np.array(found)


@pytest.mark.parametrize(
    "learner",
    [
        SLearner(interactions=True, **LINEAR),
        TLearner(**LINEAR),
        XLearner(effect_model=EFFECT, **LINEAR),
        RLearner(effect_model=EFFECT, **LINEAR),
        DRLearner(effect_model=EFFECT, **LINEAR),
    ],
    ids=lambda learner: learner.title,
)
def test_lines_are_learned_with_the_efficient_error(learner: Any) -> None:
    """n MSE → 8 for every learner.

    Intercept and slope of the effect have covariance (σ²/e + σ²/(1 − e)) I / n = 4 I / n, which is efficient. Hence
    n MSE is 4 χ²(2), with mean 8 and standard deviation 8; four Monte Carlo standard errors are allowed, and 4 % that
    models of some six parameters, each learned from 4/5 of the rows, add at n = 800.
    """
    draws = 150
    mean = squared_errors(learner, 800, draws).mean()
    assert abs(mean - 8.0) < 4 * 8.0 / np.sqrt(draws) + 0.04 * 8.0


@pytest.mark.slow
@pytest.mark.parametrize(
    "learner", [SLearner(), TLearner(), XLearner(), RLearner(), DRLearner()], ids=lambda learner: learner.title
)
def test_flexible_learners_come_nearer_to_a_bent_effect(learner: Any) -> None:
    """With the default mixes, twelve times the rows bring down the squared error to less than a half."""
    errors = []
    for n in (500, 6000):
        found = []
        for seed in range(8):
            rng = np.random.default_rng(seed)
            x1, x2 = rng.uniform(-2, 2, size=(2, n))
            t = (rng.random(n) < 1 / (1 + np.exp(-0.5 * x1))).astype(int)
            y = x2 + t * np.abs(x1) + rng.normal(size=n)
            new = np.linspace(-2, 2, 81)
            fit = learner.fit({"t": t, "x1": x1, "x2": x2, "y": y}, treatment="t", outcome="y", covariates=["x1", "x2"])
            found.append(np.mean((fit.effect({"x1": new, "x2": 0 * new}).value[:, 0] - np.abs(new)) ** 2))
        errors.append(np.mean(found))
    assert errors[1] < 0.5 * errors[0]
