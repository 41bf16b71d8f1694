"""Coverage of proximal two-stage least squares: a hidden cause with proxies on both sides."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator

import butfor as bf
from butfor.estimators.proximal.doubly_robust import ProximalDoublyRobust
from butfor.estimators.proximal.two_stage import ProximalTwoStage
from tests.simulation.coverage import Case
from tests.simulation.worlds import Frame, World

ROLES = (("treatment_proxies", ("z",)), ("outcome_proxies", ("w",)))
VILLAGE = (("cluster", "village"),)
TWO_STAGE, EITHER = ProximalTwoStage(), ProximalDoublyRobust()


def _causes(rng: Generator, n: int) -> Frame:
    """What was not measured (u), its traces z and w, a covariate, and the index that decides the treatment."""
    u, c = rng.normal(size=(2, n))
    z, w = u + 0.7 * rng.normal(size=n), u + 0.3 * c + 0.7 * rng.normal(size=n)
    return {"u": u, "z": z, "w": w, "x1": c, "index": 0.8 * u + 0.4 * z + 0.5 * c}


def _amount(rng: Generator, n: int) -> Frame:
    f = _causes(rng, n)
    t = f["index"] + rng.normal(size=n)
    noise = rng.normal(size=n) * (1 + 0.5 * np.abs(f["x1"]))
    return _shown(f, t, 1.5 * t + 2 * f["u"] + f["x1"] + 0.5 * f["w"] + noise)


def _binary(rng: Generator, n: int) -> Frame:
    """The effect is 1 + .5 u + .5 x1, hence 1 on average; h(w, t) is linear in each arm."""
    f = _causes(rng, n)
    t = (f["index"] + rng.logistic(size=n) > 0).astype(int)
    return _shown(f, t, t * (1 + 0.5 * f["u"] + 0.5 * f["x1"]) + 2 * f["u"] + f["x1"] + rng.normal(size=n))


def _sampled(rng: Generator, n: int) -> Frame:
    return _rare(_binary(rng, 8 * n), rng, n)


def _rare(frame: Frame, rng: Generator, n: int) -> Frame:
    """Rows with x1 above zero are drawn four times too rarely, and weighted for it."""
    kept = np.flatnonzero(rng.random(8 * n) < np.where(frame["x1"] > 0, 0.2, 0.8))[:n]
    sampled = {name: column[kept] for name, column in frame.items()}
    return sampled | {"weight": np.where(sampled["x1"] > 0, 4.0, 1.0)}


def _villages(rng: Generator, n: int) -> Frame:
    """Five rows a village share the hidden cause, the treatment, and a shock."""
    village = np.repeat(np.arange(n // 5), 5)
    u, shock, push = rng.normal(size=(3, n // 5))[:, village]
    z, w = u + 0.7 * rng.normal(size=n), u + 0.7 * rng.normal(size=n)
    t = 0.8 * u + push
    y = 1.5 * t + 2 * u + shock + rng.normal(size=n)
    return {"treatment": t, "outcome": y, "z": z, "w": w, "x1": rng.normal(size=n), "village": village}


def _bent(rng: Generator, n: int) -> Frame:
    """The outcome's bridge is no line; that of the treatment is log-linear. The effect is 1 on average."""
    u, c = rng.normal(size=(2, n))
    z, w = u + 0.5 * rng.normal(size=n), u + 0.3 * c + 0.5 * rng.normal(size=n)
    t = (0.3 + 0.6 * u + 0.4 * c + rng.logistic(size=n) > 0).astype(int)
    y = t * (1 + 0.5 * u) + (u**2 - 1) * (1 + 0.5 * t) + 2 * u + c + rng.normal(size=n)
    return _shown({"z": z, "w": w, "x1": c}, t, y)


def _skewed(rng: Generator, n: int) -> Frame:
    """The treatment's bridge is not log-linear; that of the outcome is a line. The effect is 1 on average."""
    u, c = rng.normal(size=(2, n))
    z, w = u + 0.5 * rng.normal(size=n), u + 0.3 * c + 0.5 * rng.normal(size=n)
    t = (np.abs(u) - 0.5 + 0.4 * c + rng.logistic(size=n) > 0).astype(int)
    y = t * (1 + 0.5 * u + 0.5 * c) + 2 * u + c + rng.normal(size=n)
    return _shown({"z": z, "w": w, "x1": c}, t, y)


def _skewed_sampled(rng: Generator, n: int) -> Frame:
    return _rare(_skewed(rng, 8 * n), rng, n)


def _arms_of_villages(rng: Generator, n: int) -> Frame:
    """Five rows a village share the hidden cause, the treatment, and a shock."""
    village = np.repeat(np.arange(n // 5), 5)
    u, shock = rng.normal(size=(2, n // 5))[:, village]
    t = (0.6 * u + rng.logistic(size=n // 5)[village] > 0).astype(int)
    z, w = u + 0.5 * rng.normal(size=n), u + 0.5 * rng.normal(size=n)
    y = 1.5 * t + 2 * u + shock + rng.normal(size=n)
    return {"treatment": t, "outcome": y, "z": z, "w": w, "x1": rng.normal(size=n), "village": village}


def _shown(causes: Frame, treatment: np.ndarray, outcome: np.ndarray) -> Frame:
    return {"treatment": treatment, "outcome": outcome, **{k: causes[k] for k in ("z", "w", "x1")}}


AMOUNT = World("hidden cause, dose", _amount, {}, ("x1",))
BINARY = World("hidden cause, two arms", _binary, {}, ("x1",))
SAMPLED = World("hidden cause, unequal sampling", _sampled, {}, ("x1",))
VILLAGES = World("hidden cause, villages", _villages, {}, ("x1",))
SKEWED = World("hidden cause, skewed treatment", _skewed, {}, ("x1",))
SKEWED_SAMPLED = World("hidden cause, unequal sampling", _skewed_sampled, {}, ("x1",))
BENT = World("hidden cause, bent outcome", _bent, {}, ("x1",))
ARMS_OF_VILLAGES = World("hidden cause, villages", _arms_of_villages, {}, ("x1",))


def _case(world: World, truth: float, *settings: Any, by: bf.Estimator = TWO_STAGE, **how: Any) -> Case:
    return Case(by, world, bf.ATE(), truth, settings=(*ROLES, *settings), **how)


PROXIMAL = (
    *(_case(AMOUNT, 1.5, inference=(("covariance", kind),)) for kind in ("HC0", "HC1", "HC2", "HC3")),
    _case(BINARY, 1.0),
    _case(SAMPLED, 1.0, ("weights", "weight")),
    _case(VILLAGES, 1.5, inference=VILLAGE, n=800),
    # One of the bridges is wrong in the first three.
    _case(BENT, 1.0, by=EITHER, n=1000),
    _case(SKEWED, 1.0, by=EITHER, n=1000),
    _case(SKEWED_SAMPLED, 1.0, ("weights", "weight"), by=EITHER, n=1000),
    _case(ARMS_OF_VILLAGES, 1.5, by=EITHER, inference=VILLAGE, n=1500),
)
