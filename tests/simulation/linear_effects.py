"""Coverage of regressions of effects: slopes, the effect of a unit, averages."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator

import butfor as bf
from butfor.estimators.orthogonal.sparse_linear_effects import SparseLinearEffects
from tests.simulation.asked import Asked
from tests.simulation.coverage import Case
from tests.simulation.worlds import ARMS, CONFOUNDED, DOSE, VILLAGES, WEIGHTED, Frame, World

BINARY: dict[str, Any] = {"outcome_model": bf.LinearModel(), "treatment_model": bf.LogisticModel()}
AMOUNT: dict[str, Any] = {"outcome_model": bf.LinearModel(), "treatment_model": bf.LinearModel()}
LINES, DOSES = bf.LinearEffects(**BINARY), bf.LinearEffects(**AMOUNT)


def _many(rng: Generator, n: int) -> Frame:
    """Twenty related covariates; the effect is 1 + x0, the noise grows with |x1|."""
    x = rng.normal(size=(n, 20)) + 0.5 * rng.normal(size=(n, 1))
    t = (rng.random(n) < 1 / (1 + np.exp(-0.5 * x[:, 0]))).astype(int)
    y = x[:, 1] + t * (1 + x[:, 0]) + rng.normal(size=n) * (0.5 + np.abs(x[:, 1]) / 2)
    return {f"x{j}": x[:, j] for j in range(20)} | {"treatment": t, "outcome": y}


MANY = World("many covariates", _many, {"ATE": 1.0}, tuple(f"x{j}" for j in range(20)))
SPARSE = SparseLinearEffects(**BINARY)


def _slopes(fit: Any, _: Frame) -> bf.Estimate:
    return fit.slopes


def _unit(fit: Any, _: Frame) -> bf.Estimate:
    """The effect of a unit with x1 = 1 and x2 = −1, of the second of two contrasts where there are two."""
    weights = [1.0, 1.0, -1.0] if len(fit.basis.names) == 3 else [0.0, 0.0, 1.0, 1.0]
    return fit.slopes.contrast(weights)


def _extreme(fit: Any, _: Frame) -> bf.Estimate:
    """The effect of a unit with x0 = 1 and x5 = 2."""
    weights = np.zeros(len(fit.slopes.value))
    weights[[0, 1, 6]] = 1.0, 1.0, 2.0
    return fit.slopes.contrast(weights)


def _case(estimator: Any, world: Any, truth: float, **settings: Any) -> Case:
    return Case(estimator, world, settings.pop("estimand", bf.ATE()), truth, **settings)


SLOPES, UNIT = Asked(LINES, "Linear effects, slopes", _slopes), Asked(LINES, "Linear effects, one unit", _unit)
DOSE_SLOPES = Asked(DOSES, "Linear effects, slopes", _slopes)

SPARSE_SLOPES = Asked(SPARSE, "Sparse linear effects, slopes", _slopes)
SPARSE_UNIT = Asked(SPARSE, "Sparse linear effects, one unit", _extreme)

# A logit of 21 coefficients on 480 rows inflates the variance of what is left of the treatment by 21/480 = 4 %, and
# pulls slopes towards zero by as much, which is .4 standard deviations here; least squares has the same bias.
PULLED: dict[str, Any] = {"draws": 1000, "bias_allowed": 0.5}
SPARSE_LINEAR_EFFECTS = (
    _case(SPARSE, MANY, 1.0, draws=1000),
    _case(SPARSE_SLOPES, MANY, 1.0, term=1, **PULLED),
    _case(Asked(SPARSE, "Sparse linear effects, a slope of zero", _slopes), MANY, 0.0, term=2, draws=1000),
    _case(SPARSE_UNIT, MANY, 2.0, **PULLED),
)
LINEAR_EFFECTS = (
    *(_case(LINES, CONFOUNDED, CONFOUNDED.truth[e.label], estimand=e) for e in (bf.ATE(), bf.ATT(), bf.ATO())),
    _case(SLOPES, CONFOUNDED, 1.0, term=1, n=300),
    _case(SLOPES, CONFOUNDED, 1.0, bands=(1.0, 1.0, 0.0), draws=1000),
    _case(UNIT, CONFOUNDED, 2.0),
    _case(UNIT, ARMS, 1.0),
    _case(LINES, ARMS, 2.0, term=1),
    _case(DOSES, DOSE, 1.5),
    _case(DOSE_SLOPES, DOSE, 0.0, term=1),
    _case(SLOPES, WEIGHTED, 1.0, term=1, settings=(("weights", "w"),)),
    _case(LINES, WEIGHTED, 1.0, settings=(("weights", "w"),)),
    _case(SLOPES, VILLAGES, 0.0, term=1, inference=(("cluster", "village"),), n=800),
    _case(LINES, VILLAGES, 1.0, inference=(("cluster", "village"),), n=800),
    *SPARSE_LINEAR_EFFECTS,
)
