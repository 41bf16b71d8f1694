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


def _counted(rng: Generator, n: int) -> Frame:
    """Rows of sixteen kinds: three binary covariates and a binary outcome that the treatment makes .2 likelier."""
    a, b, c = rng.integers(0, 2, (3, n))
    t = (rng.random(n) < 0.3 + 0.2 * a + 0.2 * b).astype(int)
    y = (rng.random(n) < 0.1 + 0.3 * a + 0.2 * b + 0.1 * c + 0.2 * t).astype(int)
    return {"treatment": t, "outcome": y, "a": a, "b": b, "c": c}


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


def _front_door(rng: Generator, n: int) -> Frame:
    """A hidden cause changes the treatment and what the mediator is worth: the effect is .8 (1 + .5 P(T = 1 | x))."""
    x = rng.normal(size=n)
    t = (rng.random(n) < _logistic(0.7 * x)).astype(int)
    worth = rng.normal(1.0 + 0.5 * t, 0.5)
    m = 0.8 * t + 0.5 * x + rng.normal(size=n)
    return {"treatment": t, "outcome": worth * m + x + t + rng.normal(size=n), "x1": x, "m": m}


def _front_door_arms(rng: Generator, n: int) -> Frame:
    """Three arms; the hidden cause is worth one unit of outcome per arm, the mediator .8."""
    t = rng.integers(0, 3, n)
    m = 0.8 * t + rng.normal(size=n)
    return {"treatment": np.array(["a", "b", "c"])[t], "outcome": m + t + rng.normal(size=n), "m": m}


def _front_door_sampled(rng: Generator, n: int) -> Frame:
    """Rows with x above zero are drawn four times too rarely, and weighted for it."""
    frame = _front_door(rng, 8 * n)
    kept = np.flatnonzero(rng.random(8 * n) < np.where(frame["x1"] > 0, 0.2, 0.8))[:n]
    sampled = {name: column[kept] for name, column in frame.items()}
    return sampled | {"w": np.where(sampled["x1"] > 0, 4.0, 1.0)}


def _front_door_villages(rng: Generator, n: int) -> Frame:
    """Five rows a village share treatment and the shocks of mediator and outcome."""
    village = np.repeat(np.arange(n // 5), 5)
    t = rng.integers(0, 2, n // 5)[village]
    shock, push = rng.normal(size=(2, n // 5))[:, village]
    m = t + 0.7 * push + rng.normal(size=n)
    return {"treatment": t, "outcome": m + t + shock + rng.normal(size=n), "m": m, "village": village}


def _long_way(rng: Generator, n: int) -> Frame:
    """Treatment and l share a hidden cause, m and outcome another: no front door, one order."""
    t = rng.integers(0, 2, n)
    m = t + rng.normal(size=n)
    second = m + rng.normal(1.0 * t, 1.0) + rng.normal(size=n)
    return {"treatment": t, "m": m, "l": second, "outcome": second + 0.5 * (m - t) + rng.normal(size=n)}


def _napkin(rng: Generator, n: int) -> Frame:
    """w shares one hidden cause with the treatment and one with the outcome, and decides z."""
    one, two = rng.normal(size=(2, n))
    w = one + two + rng.normal(size=n)
    z = (rng.random(n) < _logistic(0.7 * w)).astype(int)
    t = (rng.random(n) < _logistic(1.5 * z - 0.75 + one)).astype(int)
    return {"w": w, "z": z, "treatment": t, "outcome": t + 2 * two + rng.normal(size=n)}


def _napkin_counted(rng: Generator, n: int) -> Frame:
    """The same with columns of zeros and ones."""
    one, two = rng.integers(0, 2, (2, n))
    w = (rng.random(n) < 0.2 + 0.3 * one + 0.3 * two).astype(int)
    z = (rng.random(n) < 0.3 + 0.4 * w).astype(int)
    t = (rng.random(n) < 0.2 + 0.3 * z + 0.3 * one).astype(int)
    return {"w": w, "z": z, "treatment": t, "outcome": t + 2 * two + rng.normal(size=n)}


def _front_door_counted(rng: Generator, n: int) -> Frame:
    """A front door whose mediator has three values; the effect is .5 · (1 + .5)."""
    t = rng.integers(0, 2, n)
    m = rng.binomial(2, 0.25 + 0.25 * t)
    return {"treatment": t, "m": m, "outcome": m * rng.normal(1.0 + t, 1.0) + t + rng.normal(size=n)}


def _offered(rng: Generator, n: int) -> Frame:
    """An offer that x makes likelier; P(complier | x) = .5 + .3x, effect 1 + x; always- and never-takers differ."""
    x = rng.uniform(-1, 1, size=n)
    z = (rng.random(n) < _logistic(0.7 * x)).astype(int)
    draw = rng.random(n)
    always, complier = draw < 0.2, (draw >= 0.2) & (draw < 0.7 + 0.3 * x)
    t = (always | (complier & (z == 1))).astype(int)
    y = x + t * (1.0 + x) + 1.5 * always - 0.5 * complier + rng.normal(size=n)
    return {"treatment": t, "outcome": y, "z": z, "x1": x, "x2": x**2}


def _offered_truth() -> dict[str, float]:
    """1 + x weighted by the share of compliers, and by Var(z | x) times that share."""
    x, w = np.polynomial.legendre.leggauss(60)
    share, chance = 0.5 + 0.3 * x, _logistic(0.7 * x)
    weights = {"LATE": w * share, "CWE": w * share * chance * (1 - chance)}
    return {name: float(v @ (1 + x) / v.sum()) for name, v in weights.items()}


def _offered_sampled(rng: Generator, n: int) -> Frame:
    """Rows with x above zero are drawn four times too rarely, and weighted for it."""
    frame = _offered(rng, 8 * n)
    kept = np.flatnonzero(rng.random(8 * n) < np.where(frame["x1"] > 0, 0.2, 0.8))[:n]
    sampled = {name: column[kept] for name, column in frame.items()}
    return sampled | {"w": np.where(sampled["x1"] > 0, 4.0, 1.0)}


def _offered_to_villages(rng: Generator, n: int) -> Frame:
    """Offers to whole villages of ten that share a shock; a third take it, a sixth of the others as well."""
    village = np.repeat(np.arange(n // 10), 10)
    z = (rng.permutation(n // 10) < n // 20).astype(int)[village]
    x, shock = rng.normal(size=n), rng.normal(size=n // 10)[village]
    t = (rng.random(n) < np.where(z == 1, 2 / 3, 1 / 6)).astype(int)
    return {"treatment": t, "outcome": t + x + shock + rng.normal(size=n), "z": z, "x1": x, "village": village}


def _pushed(rng: Generator, n: int) -> Frame:
    """A dose that a push moves, and a hidden cause that makes the simple slope .5 too large."""
    x, z, hidden = rng.normal(size=(3, n))
    z = z + 0.5 * x
    dose = z + x + hidden
    y = 1.5 * dose + x + 2 * hidden + rng.normal(size=n) * (0.5 + np.abs(z))
    return {"treatment": dose, "outcome": y, "z": z, "x1": x}


OFFERED = World("offered", _offered, _offered_truth(), ("x1", "x2"))
OFFERED_SAMPLED = World("offered, unequal sampling", _offered_sampled, _offered_truth(), ("x1", "x2"))
OFFERED_VILLAGES = World("offered to villages", _offered_to_villages, {"LATE": 1.0, "CWE": 1.0}, ("x1",))
PUSHED = World("pushed dose", _pushed, {"CWE": 1.5}, ("x1",))
FRONT_DOOR = World("front door", _front_door, {"ATE": 1.0}, ("x1",))
FRONT_DOOR_ARMS = World("front door, three arms", _front_door_arms, {"ATE": 0.8, "second": 1.6}, ())
FRONT_DOOR_SAMPLED = World("front door, unequal sampling", _front_door_sampled, {"ATE": 1.0}, ("x1",))
FRONT_DOOR_VILLAGES = World("front door, villages", _front_door_villages, {"ATE": 1.0}, ())
FRONT_DOOR_COUNTED = World("front door, counted", _front_door_counted, {"ATE": 0.75}, ())
LONG_WAY = World("no front door, one order", _long_way, {"ATE": 1.0}, ())
NAPKIN = World("napkin", _napkin, {"ATE": 1.0}, ())
NAPKIN_COUNTED = World("napkin, counted", _napkin_counted, {"ATE": 1.0}, ())
GROUPS = World("two groups", _groups, {"f": 1.0, "m": 2.0}, ("x1",))
WEIGHTED = World("unequal sampling", _weighted, {"ATE": 1.0}, ("x1",))
RANDOMISED = World("randomised", _randomised, dict.fromkeys(("ATE", "ATT", "ATC", "ATO"), 1.0), ("x1",))
CONFOUNDED = World("confounded", _confounded, _confounded_truth(), ("x1", "x2"))
COUNTED = World("few kinds of rows", _counted, {"ATE": 0.2, "ATO": 0.2}, ("a", "b", "c"))
CURVED = World("curved", _curved, {"ATE": 1.5}, ("x1", "x2"))
ARMS = World("three arms", _arms, {"ATE": 1.0, "second": 2.0}, ("x1",))
DOSE = World("dose", _dose, {"VWE": 1.5}, ("x1",))
VILLAGES = World("villages", _villages, dict.fromkeys(("ATE", "ATT", "ATC", "ATO", "VWE"), 1.0), ("x1",))
