"""Coverage of the causal forest: averages, and effects of units in the designs of Athey, Tibshirani and Wager."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.random import Generator

import butfor as bf
from butfor.estimators.base import Fit
from butfor.estimators.forest.causal import CausalForest
from butfor.estimators.forest.fit import ForestFit
from tests.simulation.asked import Asked
from tests.simulation.coverage import Case
from tests.simulation.worlds import ARMS, CONFOUNDED, CURVED, DOSE, VILLAGES, WEIGHTED, Frame, World

FOREST = CausalForest(trees=300, outcome_model=bf.LinearModel(), treatment_model=bf.LogisticModel())
DOSE_FOREST = replace(FOREST, treatment_model=bf.LinearModel())
VILLAGE = (("cluster", "village"),)


def _design(rng: Generator, n: int, *, p: int, relevant: int, together: bool) -> Frame:
    """Section 6 of the paper, with a treatment in place of the instrument: kinked effects of the first covariates."""
    x = rng.normal(size=(n, p))
    parts = np.maximum(x[:, :relevant], 0.0).sum(axis=1)
    effect = np.maximum(x[:, :relevant].sum(axis=1), 0.0) if together else parts
    t = (rng.random(n) < 1.0 / (1.0 + np.exp(-0.5 * x[:, relevant]))).astype(int)
    y = np.maximum(x[:, relevant], 0.0) + (t - 0.5) * effect + rng.normal(size=n)
    return {"treatment": t, "outcome": y, "effect": effect} | {f"x{j}": x[:, j] for j in range(p)}


def _five_arms(rng: Generator, n: int) -> Frame:
    """Arms that one covariate or the other makes likelier; their effects are a, a + x1, a − x2 and a (1 + x1 x2)."""
    x1, x2 = rng.normal(size=n), rng.uniform(-1, 1, size=n)
    index = np.column_stack([0.0 * x1, 0.4 * x1, -0.4 * x1, 0.4 * x2, -0.4 * x2])
    chance = np.exp(index) / np.exp(index).sum(axis=1, keepdims=True)
    t = (rng.random(n)[:, None] > np.cumsum(chance, axis=1)[:, :4]).sum(axis=1)
    gain = np.choose(t, [0.0 * x1, 1.0 + 0.0 * x1, 2.0 + x1, 3.0 - x2, 4.0 * (1.0 + 0.25 * x1 * x2)])
    return {"treatment": np.array(list("abcde"))[t], "outcome": x1 + x2 + gain + rng.normal(size=n), "x1": x1, "x2": x2}


FIVE_ARMS = World("five arms", _five_arms, {"ATE": 1.0}, ("x1", "x2"))


def design(p: int, relevant: int, *, together: bool) -> World:
    """A world of the paper; the truth is the error of a unit's effect, which should be zero."""
    kind = "together" if together else "additive"
    name = f"{relevant or 'no'} of {p} covariates matter, {kind}" if relevant else f"no effect, {p} covariates"
    draw = partial(_design, p=p, relevant=relevant, together=together)
    return World(name, draw, {"ATE": 0.0}, tuple(f"x{j}" for j in range(p)))


def _error_of_a_unit(fit: Fit, frame: Frame) -> bf.Estimate:
    """The effect of one unit, out of bag, less the true one."""
    assert isinstance(fit, ForestFit)
    found = fit.effect()
    assert found.std_error is not None
    return bf.Estimate(
        labels=("error",),
        value=found.value[0] - frame["effect"][0],
        n=fit.sample.n,
        estimator="causal_forest",
        vcov=np.array([[found.std_error[0, 0] ** 2]]),
    )


OF_A_UNIT = Asked(FOREST, "Causal forest, effect of a unit", _error_of_a_unit)


def _case(estimator: Any, world: World, estimand: bf.Estimand, **settings: Any) -> Case:
    return Case(estimator, world, estimand, world.truth[estimand.label], **({"draws": 1000} | settings))


FORESTS = (
    *(_case(FOREST, CONFOUNDED, estimand) for estimand in (bf.ATE(), bf.ATT(), bf.ATC(), bf.ATO())),
    _case(FOREST, WEIGHTED, bf.ATE(), settings=(("weights", "w"),)),
    _case(FOREST, VILLAGES, bf.ATE(), inference=VILLAGE, n=800),
    Case(FOREST, ARMS, bf.ATE(), 2.0, term=1, draws=1000),
    Case(FOREST, ARMS, bf.ATE(), 1.0, bands=(1.0, 2.0), draws=1000),
    Case(FOREST, FIVE_ARMS, bf.ATE(), 4.0, term=3, n=1000, draws=1000),
    Case(FOREST, FIVE_ARMS, bf.ATE(), 1.0, bands=(1.0, 2.0, 3.0, 4.0), n=1000, draws=1000),
    Case(DOSE_FOREST, DOSE, bf.ATE(), 1.5, draws=1000),
    # Intervals of units are long where the effect is simple, and short where it bends along many covariates.
    *(
        _case(OF_A_UNIT, design(p, relevant, together=together), bf.ATE(), n=1000, draws=400, coverage_allowed=0.05)
        for p, relevant, together in ((10, 0, False), (6, 2, False), (6, 2, True))
    ),
    _case(OF_A_UNIT, design(12, 4, together=True), bf.ATE(), n=1000, draws=400, coverage_allowed=0.15),
)
LEARNED_FORESTS = (
    _case(CausalForest(trees=300), CURVED, bf.ATE(), n=1000, draws=200, bias_allowed=0.5, coverage_allowed=0.05),
)
