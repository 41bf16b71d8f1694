"""Coverage of dose responses: straight and bent curves, clusters, sampling weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.random import Generator

import butfor as bf
from butfor.estimators.base import Fit
from butfor.estimators.orthogonal.dose_response import DoseFit
from tests.simulation.asked import Asked
from tests.simulation.coverage import Case
from tests.simulation.worlds import Frame, World

DOSES = (-1.0, 0.0, 1.0)
CURVE = bf.DoseResponse(outcome_model=bf.LinearModel(), treatment_model=bf.LinearModel(), doses=DOSES)


def _wave(dose: np.ndarray) -> np.ndarray:
    return 2 * np.sin(1.5 * dose)


def _along(shape: Callable[[np.ndarray], np.ndarray], rng: Generator, n: int, reach: float = 1.0) -> Frame:
    """x moves the dose, its spread and the outcome, and changes what the dose is worth."""
    x = rng.uniform(-reach, reach, size=n)
    dose = 0.6 * x + rng.normal(size=n) * (1 + 0.2 * x)
    y = shape(dose) + x + 0.5 * x * dose + rng.normal(size=n)
    return {"treatment": dose, "outcome": y, "x1": x}


def _line_of(rng: Generator, n: int) -> Frame:
    return _along(lambda dose: 1.5 * dose, rng, n)


def _wave_of(rng: Generator, n: int) -> Frame:
    return _along(_wave, rng, n)


def _thin(rng: Generator, n: int) -> Frame:
    """For those with the smallest x a dose of 1.5 is three and a half standard deviations away."""
    return _along(_wave, rng, n, 1.5)


def _wave_sampled(rng: Generator, n: int) -> Frame:
    """Rows with x above zero are drawn four times too rarely, and weighted for it."""
    frame = _wave_of(rng, 8 * n)
    kept = np.flatnonzero(rng.random(8 * n) < np.where(frame["x1"] > 0, 0.2, 0.8))[:n]
    sampled = {name: column[kept] for name, column in frame.items()}
    return sampled | {"w": np.where(sampled["x1"] > 0, 4.0, 1.0)}


def _wave_villages(rng: Generator, n: int) -> Frame:
    """Five rows a village share the dose and a shock."""
    village = np.repeat(np.arange(n // 5), 5)
    dose, shock = rng.normal(size=(2, n // 5))[:, village]
    x = rng.uniform(-1, 1, size=n)
    return {"treatment": dose, "outcome": _wave(dose) + x + shock + rng.normal(size=n), "x1": x, "village": village}


def _levels(fit: Fit, _: Frame) -> bf.Estimate:
    assert isinstance(fit, DoseFit)
    assert fit.curve is not None
    return fit.curve


LINE = World("dose, a line", _line_of, {}, ("x1",))
WAVE = World("dose, a wave", _wave_of, {}, ("x1",))
THIN = World("dose, a wave, thin overlap", _thin, {}, ("x1",))
SAMPLED = World("dose, a wave, unequal sampling", _wave_sampled, {}, ("x1",))
VILLAGES = World("dose, a wave, villages", _wave_villages, {}, ("x1",))
LEVELS = Asked(CURVE, "Dose response, levels", _levels)
FAR = Asked(replace(CURVE, doses=(0.0, 1.5)), "Dose response, levels", _levels)
HEIGHTS = tuple(float(h) for h in _wave(np.array(DOSES)))
STEPS = tuple(h - HEIGHTS[0] for h in HEIGHTS[1:])


def _case(estimator: bf.Estimator | Asked, world: World, truth: float, **settings: Any) -> Case:
    return Case(estimator, world, bf.ATE(), truth, **({"draws": 1000} | settings))  # type: ignore[arg-type]


DOSE_RESPONSE = (
    _case(CURVE, LINE, 3.0, term=1),
    _case(CURVE, WAVE, STEPS[1], term=1),
    _case(CURVE, WAVE, STEPS[0], bands=STEPS),
    _case(LEVELS, WAVE, HEIGHTS[2], term=2),
    _case(LEVELS, WAVE, HEIGHTS[0], bands=HEIGHTS),
    _case(CURVE, SAMPLED, STEPS[1], term=1, settings=(("weights", "w"),)),
    _case(CURVE, VILLAGES, STEPS[1], term=1, inference=(("cluster", "village"),), n=1000),
    # Few rows count for many: the tail of the estimator is heavier than the normal's.
    _case(FAR, THIN, float(_wave(np.array(1.5))), term=1, coverage_allowed=0.05),
)
