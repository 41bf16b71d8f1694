"""Coverage of direct and indirect effects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator

import butfor as bf
from butfor.estimators.base import Fit
from butfor.estimators.mediation.controlled import ControlledDirect
from butfor.estimators.mediation.natural import EFFECTS, MediationAnalysis, MediationFit
from tests.simulation.asked import Asked
from tests.simulation.coverage import Case
from tests.simulation.worlds import Frame, World

SIMPLE = MediationAnalysis(outcome_model=bf.LinearModel(), propensity_model=bf.LogisticModel())
HELD = ControlledDirect(outcome_model=bf.LinearModel(), propensity_model=bf.LogisticModel())
VILLAGE = (("cluster", "village"),)
THROUGH_M, THROUGH_BOTH = ("mediators", ("m",)), ("mediators", ("m", "k"))


def _chance(index: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-index))


def _outcome(rng: Generator, t: np.ndarray, m: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Treatment and mediator interact: E[Y(d, M(m))] = .5 d + m + .5 d m where M(m) has mean m and x mean 0."""
    return x + t * (0.5 + 0.3 * x) + m + 0.5 * t * m + rng.normal(size=len(x))


def _mediated(rng: Generator, n: int) -> Frame:
    x = rng.normal(size=n)
    t = (rng.random(n) < _chance(0.6 * x)).astype(int)
    m = t + 0.5 * x + rng.normal(size=n)
    return {"treatment": t, "outcome": _outcome(rng, t, m, x), "m": m, "x1": x}


def _sampled(rng: Generator, n: int) -> Frame:
    """Rows with x above zero are drawn four times too rarely, and weighted for it."""
    frame = _mediated(rng, 8 * n)
    kept = np.flatnonzero(rng.random(8 * n) < np.where(frame["x1"] > 0, 0.2, 0.8))[:n]
    sampled = {name: column[kept] for name, column in frame.items()}
    return sampled | {"w": np.where(sampled["x1"] > 0, 4.0, 1.0)}


def _villages(rng: Generator, n: int) -> Frame:
    """Five rows a village share treatment and the shocks of mediator and outcome."""
    village = np.repeat(np.arange(n // 5), 5)
    t = rng.integers(0, 2, n // 5)[village]
    shock, push, x = rng.normal(size=(3, n // 5))[:, village]
    m = t + 0.7 * push + rng.normal(size=n)
    y = _outcome(rng, t, m, x) + shock
    return {"treatment": t, "outcome": y, "m": m, "x1": x, "village": village}


def _arms(rng: Generator, n: int) -> Frame:
    """Three arms; the second moves the mediator by 1, the third by 2."""
    x, arm = rng.normal(size=n), rng.integers(0, 3, n)
    m = arm + 0.5 * x + 1.5 * rng.normal(size=n)
    t = np.array(["a none", "b low", "c high"])[arm]
    return {"treatment": t, "outcome": x + 0.5 * arm + m + rng.normal(size=n), "m": m, "x1": x}


def _two(rng: Generator, n: int) -> Frame:
    """A number and a category that moves it: jointly they carry 1 + .4 (1 + 2)."""
    x, noise = rng.normal(size=(2, n))
    t = (rng.random(n) < _chance(0.6 * x)).astype(int)
    k = np.where(rng.random(n) < 0.3 + 0.4 * t, "yes", "no")
    m = t + 0.5 * x + noise + (k == "yes")
    y = 0.5 * t + x + m + 2.0 * (k == "yes") + rng.normal(size=n)
    return {"treatment": t, "outcome": y, "m": m, "k": k, "x1": x}


def _bent(rng: Generator, n: int) -> Frame:
    """The mediator is a coin, and what it is worth is bent in x: the indirect effect is .5 E[1 + |x|] = 1."""
    x = rng.uniform(-2, 2, size=n)
    t = (rng.random(n) < _chance(np.sin(2 * x))).astype(int)
    m = (rng.random(n) < 0.25 + 0.5 * t).astype(int)
    y = np.cos(2 * x) + t * (1 + x) + m * (1 + np.abs(x)) + rng.normal(size=n)
    return {"treatment": t, "outcome": y, "m": m, "x1": x}


def _coin(rng: Generator, n: int) -> Frame:
    """The mediator shares a hidden cause with the treatment; held at 0 the effect is .5, held at 1 it is 1.5."""
    x, hidden = rng.normal(size=(2, n))
    t = (hidden + 0.6 * x + rng.logistic(size=n) > 0).astype(int)
    m = (hidden + t + 0.5 * x + rng.logistic(size=n) > 0).astype(int)
    y = x + t * (0.5 + 0.3 * x) + m + t * m + rng.normal(size=n)
    return {"treatment": t, "outcome": y, "m": m, "x1": x}


def _coin_of_villages(rng: Generator, n: int) -> Frame:
    """Five rows a village share treatment and a shock of the outcome."""
    village = np.repeat(np.arange(n // 5), 5)
    t = rng.integers(0, 2, n // 5)[village]
    shock, x = rng.normal(size=(2, n // 5))[:, village]
    m = (t + rng.logistic(size=n) > 0).astype(int)
    y = x + t * (0.5 + m) + m + shock + rng.normal(size=n)
    return {"treatment": t, "outcome": y, "m": m, "x1": x, "village": village}


COIN = World("mediator held", _coin, {}, ("x1",))
COIN_VILLAGES = World("mediator held, villages", _coin_of_villages, {}, ("x1",))
MEDIATED = World("mediated", _mediated, {}, ("x1",))
SAMPLED = World("mediated, unequal sampling", _sampled, {}, ("x1",))
VILLAGES = World("mediated, villages", _villages, {}, ("x1",))
ARMS = World("mediated, three arms", _arms, {}, ("x1",))
TWO = World("two mediators", _two, {}, ("x1",))
BENT = World("mediated, curved", _bent, {}, ("x1",))


@dataclass(frozen=True)
class One:
    """One effect of a fit: the one whose label holds all the words."""

    words: tuple[str, ...]

    def __call__(self, fit: Fit, frame: Frame) -> bf.Estimate:
        del frame
        (label,) = [x for x in fit.result.labels if all(word in x for word in self.words)]
        return fit.result.select(label)


def _effect(name: str, estimator: MediationAnalysis = SIMPLE, treated: str = "") -> Asked:
    """One effect of the fit; of several arms that of `treated`."""
    return Asked(estimator, f"Mediation analysis, {name}", One((f", {name}", treated)))


def _proportion(fit: Fit, _: Frame) -> bf.Estimate:
    assert isinstance(fit, MediationFit)
    return fit.proportion_mediated


def _all(fit: Fit, _: Frame) -> bf.Estimate:
    return fit.result


def _case(estimator: Asked | ControlledDirect, world: World, truth: float, *settings: Any, **how: Any) -> Case:
    return Case(estimator, world, bf.ATE(), truth, settings=settings, **how)  # type: ignore[arg-type]


TRUTH = dict(zip(EFFECTS, (2.0, 0.5, 1.0, 1.0, 1.5), strict=True))
SHARE = Asked(SIMPLE, "Mediation analysis, proportion mediated", _proportion)
BANDS = Asked(SIMPLE, "Mediation analysis, all effects", _all)

MEDIATION = (
    *(_case(_effect(name), MEDIATED, truth, THROUGH_M) for name, truth in TRUTH.items()),
    _case(BANDS, MEDIATED, 2.0, THROUGH_M, bands=tuple(TRUTH.values()), draws=1000),
    _case(SHARE, MEDIATED, 0.75, THROUGH_M, n=1500, draws=2000),
    _case(_effect("natural direct effect"), SAMPLED, 0.5, THROUGH_M, ("weights", "w")),
    _case(_effect("total indirect effect"), SAMPLED, 1.5, THROUGH_M, ("weights", "w")),
    _case(_effect("total indirect effect"), VILLAGES, 1.5, THROUGH_M, inference=VILLAGE, n=1000),
    _case(_effect("natural indirect effect", treated="c high"), ARMS, 2.0, THROUGH_M, n=900),
    _case(_effect("natural indirect effect"), TWO, 2.2, THROUGH_BOTH),
)

# The assignment of pairs is no multinomial logit, given x1, which the right outcome model makes up for.
CONTROLLED = (
    _case(HELD, COIN, 0.5, THROUGH_M, n=1000),
    _case(HELD, COIN, 0.5, THROUGH_M, n=1000, bands=(0.5, 1.5), draws=1000),
    _case(HELD, COIN_VILLAGES, 0.5, THROUGH_M, inference=VILLAGE, n=1000),
)

LEARNED_MEDIATION = (
    _case(_effect("natural direct effect", MediationAnalysis()), BENT, 1.0, THROUGH_M, n=1000, draws=400),
    _case(_effect("natural indirect effect", MediationAnalysis()), BENT, 1.0, THROUGH_M, n=1000, draws=400),
)
