"""Coverage of what is asked of doubly robust scores: groups, linear predictors, calibration, means of arms."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.random import Generator

import butfor as bf
from butfor.estimators.base import Fit
from butfor.estimators.meta.dr_learner import DRLearner
from tests.simulation.asked import Asked, Honest
from tests.simulation.coverage import Case
from tests.simulation.worlds import ARMS, CONFOUNDED, VILLAGES, WEIGHTED, Frame, World

LINEAR: dict[str, Any] = {"outcome_model": bf.LinearModel(), "propensity_model": bf.LogisticModel()}
AIPW = bf.AIPW(**LINEAR)
VILLAGE = (("cluster", "village"),)
SAMPLED = (("weights", "w"),)


def _same_effect(rng: Generator, n: int) -> Frame:
    """Everyone gains 1: whatever effects are predicted, each group of them gains 1."""
    frame = CONFOUNDED.draw(rng, n)
    return frame | {"outcome": frame["outcome"] - frame["treatment"] * frame["x1"]}


def _bent_effect(rng: Generator, n: int) -> Frame:
    """A coin's treatment is worth x²: the best line is 1 + 0 x, and fits badly."""
    x, t = rng.normal(size=n), rng.integers(0, 2, n)
    return {"treatment": t, "outcome": x + t * x**2 + rng.normal(size=n), "x1": x}


def _clear_effect(rng: Generator, n: int) -> Frame:
    """A coin's treatment is worth 1 + x, which any learner sees: groups by prediction are groups by x."""
    x, t = rng.normal(size=n), rng.integers(0, 2, n)
    return {"treatment": t, "outcome": x + t * (1 + x) + rng.normal(size=n), "x1": x}


SAME_EFFECT = World("same effect", _same_effect, {"ATE": 1.0}, ("x1", "x2"))
CLEAR_EFFECT = World("clear effect", _clear_effect, {"ATE": 1.0}, ("x1",))
BENT_EFFECT = World("bent effect", _bent_effect, {"ATE": 1.0}, ("x1",))

# Means of x1 below −.5, above .5 and between of a standard normal.
EDGE = np.exp(-0.125) / np.sqrt(2 * np.pi) / 0.3085375387259869


def _above(population: str) -> float:
    """E[h (1 + x1) | x1 > 0] / E[h | x1 > 0] in the confounded world, by the midpoint rule."""
    x = (np.arange(4000) + 0.5) / 500
    v = (np.arange(200) + 0.5) / 100 - 1
    x1, x2 = np.meshgrid(x, v, indexing="ij")
    e = 1 / (1 + np.exp(0.5 * x2 - 0.7 * x1))
    h = np.exp(-(x1**2) / 2) * {"ATE": 1.0, "ATT": e, "ATO": e * (1 - e)}[population]
    return float((h * (1 + x1)).sum() / h.sum())


def _by_sign(fit: Fit, frame: Frame) -> bf.Estimate:
    return fit.group_effects({"above": frame["x1"] > 0})


def _by_thirds(fit: Fit, frame: Frame) -> bf.Estimate:
    x = frame["x1"]
    return fit.group_effects({"low": x < -0.5, "mid": np.abs(x) <= 0.5, "high": x > 0.5})


def on_x1(fit: Fit, _: Frame) -> bf.Estimate:
    """The line of effects along x1."""
    return fit.best_linear_predictor("x1")


def _as_it_is(fit: Fit, _: Frame) -> bf.Estimate:
    return fit.estimate()


def _means(fit: Fit, _: Frame) -> bf.Estimate:
    return fit.potential_means()


def _profile(fit: Fit, frame: Frame) -> bf.Estimate:
    return fit.group_profile({"below": frame["x1"] <= 0, "above": frame["x1"] > 0}, "x1")


def _calibration(fit: Fit, frame: Frame) -> bf.Estimate:
    return fit.calibration_test(0.5 + 2 * frame["x1"])


GROUPS, LINES = Asked(AIPW, "AIPW, groups", _by_sign), Asked(AIPW, "AIPW, linear predictor", on_x1)
THIRDS = Asked(AIPW, "AIPW, groups", _by_thirds)
MEANS = Asked(AIPW, "AIPW, means of arms", _means)
CALIBRATION = Asked(AIPW, "AIPW, calibration", _calibration)
PROFILE = Asked(AIPW, "AIPW, profile of groups", _profile)
DR = DRLearner(effect_model=bf.LinearModel(), **LINEAR)
SORT = bf.SortedEffects(learner=DR, groups=2, splits=5)
SORT_ONCE = Asked(replace(SORT, splits=1), "Sorted effects, one halving", _as_it_is)
HONEST = Honest(DR, AIPW, "DR-learner on one half, groups on the other")


def _case(
    estimator: bf.Estimator | Asked | Honest,
    world: World,
    truth: float,
    estimand: bf.Estimand | None = None,
    **settings: Any,
) -> Case:
    return Case(estimator, world, estimand or bf.ATE(), truth, **settings)  # type: ignore[arg-type]


HETEROGENEITY = (
    *(_case(GROUPS, CONFOUNDED, _above(e.label), e) for e in (bf.ATE(), bf.ATT(), bf.ATO())),
    _case(THIRDS, CONFOUNDED, 1 - EDGE, bands=(1 - EDGE, 1.0, 1 + EDGE), draws=1000),
    _case(GROUPS, WEIGHTED, 1 + np.sqrt(2 / np.pi), settings=SAMPLED),
    _case(GROUPS, VILLAGES, 1.0, inference=VILLAGE, n=800),
    *(_case(LINES, CONFOUNDED, 1.0, e, term=1, n=300) for e in (bf.ATE(), bf.ATT(), bf.ATO())),
    _case(LINES, CONFOUNDED, 1.0, bands=(1.0, 1.0), draws=1000),
    _case(LINES, BENT_EFFECT, 0.0, term=1),
    _case(LINES, BENT_EFFECT, 1.0, inference=(("covariance", "HC0"),)),
    _case(LINES, WEIGHTED, 1.0, term=1, settings=SAMPLED),
    _case(LINES, VILLAGES, 0.0, term=1, inference=VILLAGE, n=800),
    _case(CALIBRATION, CONFOUNDED, 0.5, term=1),
    _case(CALIBRATION, BENT_EFFECT, 0.0, term=1),
    _case(PROFILE, CONFOUNDED, 2 * np.sqrt(2 / np.pi), term=2),
    _case(MEANS, CONFOUNDED, 1.0, term=1),
    _case(MEANS, ARMS, 0.0, bands=(0.0, 1.0, 2.0), draws=1000),
    _case(HONEST, SAME_EFFECT, 1.0, term=2, draws=2000),
    _case(HONEST, SAME_EFFECT, 1.0, bands=(1.0, 1.0, 1.0), draws=1000),
    # Medians over halves are cautious on purpose.
    _case(SORT, CLEAR_EFFECT, 1 + np.sqrt(2 / np.pi), term=1, draws=500, coverage_allowed=0.05),
    _case(SORT, SAME_EFFECT, 0.0, term=2, draws=500, coverage_allowed=0.05),
    _case(SORT_ONCE, SAME_EFFECT, 0.0, term=2, draws=2000),
)
