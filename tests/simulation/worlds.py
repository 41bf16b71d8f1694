"""Data-generating processes with known effects, heterogeneous so that a wrong estimand shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

Frame = dict[str, np.ndarray]


@dataclass(frozen=True)
class World:
    """A process that draws a frame, and the true value of each estimand."""

    name: str
    draw: Callable[[Generator, int], Frame]
    truth: dict[str, float]
    covariates: tuple[str, ...]


def _logistic(index: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-index))


def _randomised(rng: Generator, n: int) -> Frame:
    x = rng.normal(size=n)
    t = (rng.permutation(n) < n // 3).astype(int)
    y = 1.0 + x + t * (1.0 + 0.5 * x) + rng.normal(size=n) * (1.0 + t)
    return {"treatment": t, "outcome": y, "x1": x}


def _confounded(rng: Generator, n: int) -> Frame:
    """Linear outcome per arm, logit propensity: every estimator's model holds except a common slope."""
    x1, x2 = rng.normal(size=n), rng.uniform(-1, 1, size=n)
    t = (rng.random(n) < _logistic(0.7 * x1 - 0.5 * x2)).astype(int)
    y = x1 + 2 * x2 + t * (1.0 + x1) + rng.normal(size=n)
    return {"treatment": t, "outcome": y, "x1": x1, "x2": x2}


def _confounded_truth() -> dict[str, float]:
    """τ(x) = 1 + x1 averaged over each population, by Gauss–Hermite and Gauss–Legendre quadrature."""
    node, weight = np.polynomial.hermite_e.hermegauss(80)
    leg, wleg = np.polynomial.legendre.leggauss(40)
    x1, x2 = np.meshgrid(node, leg, indexing="ij")
    w = np.outer(weight, wleg) / np.outer(weight, wleg).sum()
    e = _logistic(0.7 * x1 - 0.5 * x2)
    tilts = {"ATE": np.ones_like(e), "ATT": e, "ATC": 1 - e, "ATO": e * (1 - e)}
    truth = {name: float((w * h * (1 + x1)).sum() / (w * h).sum()) for name, h in tilts.items()}
    kept = (np.minimum(e, 1 - e) >= 0.2).astype(float)
    truth["ATE, trimmed to 0.2 ≤ e(X)"] = float((w * kept * (1 + x1)).sum() / (w * kept).sum())
    return truth


def _curved(rng: Generator, n: int) -> Frame:
    """Bent outcome and propensity: only flexible nuisances get both right."""
    x1, x2 = rng.uniform(-2, 2, size=n), rng.uniform(-2, 2, size=n)
    t = (rng.random(n) < _logistic(np.sin(2 * x1) + 0.5 * x2)).astype(int)
    y = np.sin(2 * x1) + x2**2 + t * (1.0 + 0.5 * np.abs(x1)) + rng.normal(size=n)
    return {"treatment": t, "outcome": y, "x1": x1, "x2": x2}


def _arms(rng: Generator, n: int) -> Frame:
    x = rng.normal(size=n)
    index = np.column_stack([np.zeros(n), 0.5 * x, -0.5 * x])
    chance = np.exp(index) / np.exp(index).sum(axis=1, keepdims=True)
    t = (rng.random(n)[:, None] > np.cumsum(chance, axis=1)).sum(axis=1)
    y = x + np.choose(t, [np.zeros(n), 1.0 + 0.5 * x, 2.0 - x]) + rng.normal(size=n)
    return {"treatment": np.array(["a", "b", "c"])[t], "outcome": y, "x1": x}


def _dose(rng: Generator, n: int) -> Frame:
    x = rng.normal(size=n)
    dose = 0.8 * x + rng.normal(size=n)
    y = 1.5 * dose + 2 * x + rng.normal(size=n) * (0.5 + np.abs(x))
    return {"treatment": dose, "outcome": y, "x1": x}


def _villages(rng: Generator, n: int) -> Frame:
    """Ten rows a village, shared shocks, treatment assigned to whole villages."""
    villages = n // 10
    village = np.repeat(np.arange(villages), 10)
    shock = rng.normal(size=villages)[village]
    x = rng.normal(size=n)
    t = (rng.permutation(villages) < villages // 2).astype(int)[village]
    y = 1.0 * t + 0.5 * x + shock + rng.normal(size=n)
    return {"treatment": t, "outcome": y, "x1": x, "village": village}


def _groups(rng: Generator, n: int) -> Frame:
    """The effect is 1 for f and 2 for m."""
    x, sex = rng.normal(size=n), rng.choice(["f", "m"], n)
    t = (rng.random(n) < _logistic(0.6 * x)).astype(int)
    y = x + t * np.where(sex == "m", 2.0, 1.0) + rng.normal(size=n)
    return {"treatment": t, "outcome": y, "x1": x, "sex": sex}


def _weighted(rng: Generator, n: int) -> Frame:
    """Rows with x above zero are drawn four times too rarely, and weighted for it: the population's ATE is 1."""
    x = rng.normal(size=8 * n)
    x = x[rng.random(8 * n) < np.where(x > 0, 0.2, 0.8)][:n]
    t = (rng.random(len(x)) < _logistic(0.6 * x)).astype(int)
    y = x + t * (1.0 + x) + rng.normal(size=len(x))
    return {"treatment": t, "outcome": y, "x1": x, "w": np.where(x > 0, 4.0, 1.0)}


GROUPS = World("two groups", _groups, {"f": 1.0, "m": 2.0}, ("x1",))
WEIGHTED = World("unequal sampling", _weighted, {"ATE": 1.0}, ("x1",))
RANDOMISED = World("randomised", _randomised, dict.fromkeys(("ATE", "ATT", "ATC", "ATO"), 1.0), ("x1",))
CONFOUNDED = World("confounded", _confounded, _confounded_truth(), ("x1", "x2"))
CURVED = World("curved", _curved, {"ATE": 1.5}, ("x1", "x2"))
ARMS = World("three arms", _arms, {"ATE": 1.0, "second": 2.0}, ("x1",))
DOSE = World("dose", _dose, {"VWE": 1.5}, ("x1",))
VILLAGES = World("villages", _villages, dict.fromkeys(("ATE", "ATT", "ATC", "ATO", "VWE"), 1.0), ("x1",))
