"""Coverage of effects on times: restricted means, points of a curve, curves, sampling weights, clusters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.random import Generator

import butfor as bf
from tests.simulation.asked import Asked
from tests.simulation.coverage import Case
from tests.simulation.forest import OF_A_UNIT
from tests.simulation.worlds import Frame, World

RIDGE = bf.LogisticModel(penalty=0.001)
SURVIVAL = bf.SurvivalEffect(
    horizon=10.0, survival_model=RIDGE, censoring_model=RIDGE, propensity_model=bf.LogisticModel()
)
EVENT = ("event", "seen")


def rates(x: np.ndarray, arm: int | np.ndarray) -> np.ndarray:
    """The hazard of the event: the treatment halves it for those with the lowest x and does nothing for the highest."""
    return 0.1 * np.exp(0.5 * x - arm * (0.5 - 0.3 * x))


def _times(rng: Generator, x: np.ndarray, t: np.ndarray, rate: np.ndarray) -> Frame:
    """Sight is lost sooner with a high x and without treatment, and at 15 for all."""
    time = rng.exponential(1.0 / rate)
    lost = np.minimum(rng.exponential(1.0 / (0.06 * np.exp(0.6 * x - 0.3 * t))), 15.0)
    seen = (time <= lost).astype(int)
    return {"treatment": t, "outcome": np.minimum(time, lost), "seen": seen, "x1": x}


def _confounded(rng: Generator, n: int) -> Frame:
    x = rng.normal(size=n)
    t = (rng.random(n) < 1.0 / (1.0 + np.exp(-0.7 * x))).astype(int)
    return _times(rng, x, t, rates(x, t))


def _sampled(rng: Generator, n: int) -> Frame:
    """Rows with a high x are in the sample more often, and weights make up for it."""
    x = rng.normal(0.4, 1.0, size=n)
    t = (rng.random(n) < 1.0 / (1.0 + np.exp(-0.7 * x))).astype(int)
    return _times(rng, x, t, rates(x, t)) | {"w": np.exp(0.08 - 0.4 * x)}


def _randomised(rng: Generator, n: int) -> Frame:
    """The same, dealt out by chance, and sight that is lost whatever x is."""
    x, t = rng.normal(size=n), (rng.random(n) < 0.5).astype(int)
    return _times(rng, np.zeros(n), t, rates(x, t))


def _villages(rng: Generator, n: int) -> Frame:
    """Twenty units of a village share x and the treatment."""
    village = np.arange(n) // 20
    x, t = rng.normal(size=n // 20 + 1)[village], (rng.random(n // 20 + 1) < 0.5)[village].astype(int)
    return _times(rng, np.zeros(n), t, rates(x, t)) | {"village": village}


def _average(of_x: Callable[[np.ndarray], np.ndarray]) -> float:
    """E over x ~ N(0, 1), to twelve digits."""
    nodes, mass = np.polynomial.hermite_e.hermegauss(60)
    return float(mass @ of_x(nodes) / mass.sum())


def survival(time: float, arm: int) -> float:
    """P(T(arm) > time)."""
    return _average(lambda x: np.exp(-rates(x, arm) * time))


def restricted_mean(horizon: float, arm: int) -> float:
    """E[min(T(arm), horizon)]."""
    return _average(lambda x: -np.expm1(-rates(x, arm) * horizon) / rates(x, arm))


def mean_gap_at(x: np.ndarray) -> np.ndarray:
    """E[min(T(1), 10) − min(T(0), 10) | x]."""
    treated, control = (-np.expm1(-10.0 * rates(x, arm)) / rates(x, arm) for arm in (1, 0))
    return treated - control


def _several(rng: Generator, n: int) -> Frame:
    """The same beside two covariates that do nothing."""
    frame = _confounded(rng, n)
    return frame | {"effect": mean_gap_at(frame["x1"]), "x2": rng.normal(size=n), "x3": rng.normal(size=n)}


MEAN_GAP = restricted_mean(10.0, 1) - restricted_mean(10.0, 0)
GAPS = tuple(survival(t, 1) - survival(t, 0) for t in (2.0, 5.0, 10.0))
TIMES = World("times, confounded", _confounded, {}, ("x1",))
SAMPLED = World("times, sampled by x", _sampled, {}, ("x1",))
TRIAL = World("times, randomised", _randomised, {}, ())
SEVERAL = World("times, three covariates", _several, {}, ("x1", "x2", "x3"))
VILLAGES = World("times, villages", _villages, {}, ())
CURVE = replace(SURVIVAL, horizon=None, times=(2.0, 5.0, 10.0))
VILLAGE = (("cluster", "village"),)

FOREST = bf.CausalSurvivalForest(
    horizon=10.0, survival_model=RIDGE, censoring_model=RIDGE, treatment_model=bf.LogisticModel(), trees=300
)
UNIT = Asked(FOREST, "Causal survival forest, effect of a unit", OF_A_UNIT.ask)

SURVIVAL_CURVES = (
    Case(SURVIVAL, TIMES, bf.ATE(), MEAN_GAP, settings=(EVENT,), n=800, draws=1000),
    Case(CURVE, TIMES, bf.ATE(), GAPS[1], term=1, settings=(EVENT,), n=800, draws=1000),
    Case(CURVE, TIMES, bf.ATE(), GAPS[0], bands=GAPS, settings=(EVENT,), n=800, draws=1000),
    Case(SURVIVAL, SAMPLED, bf.ATE(), MEAN_GAP, settings=(EVENT, ("weights", "w")), n=800, draws=1000),
    Case(SURVIVAL, TRIAL, bf.ATE(), MEAN_GAP, settings=(EVENT,), n=300),
    Case(CURVE, TRIAL, bf.ATE(), GAPS[2], term=2, settings=(EVENT,), n=300),
    Case(SURVIVAL, VILLAGES, bf.ATE(), MEAN_GAP, VILLAGE, settings=(EVENT,), n=1600),
)
SURVIVAL_FORESTS = (
    Case(FOREST, SEVERAL, bf.ATE(), MEAN_GAP, settings=(EVENT,), n=800, draws=400),
    Case(replace(FOREST, horizon=None, time=5.0), SEVERAL, bf.ATE(), GAPS[1], settings=(EVENT,), n=800, draws=400),
    Case(UNIT, SEVERAL, bf.ATE(), 0.0, settings=(EVENT,), n=1000, draws=400, coverage_allowed=0.05),  # type: ignore[arg-type]
)
LEARNED_CURVES = (
    Case(bf.SurvivalEffect(horizon=10.0), TIMES, bf.ATE(), MEAN_GAP, settings=(EVENT,), n=800, draws=200),
)
