"""Coverage of regressions of effects: slopes, the effect of a unit, averages."""

from __future__ import annotations

from typing import Any

import butfor as bf
from tests.simulation.asked import Asked
from tests.simulation.coverage import Case
from tests.simulation.worlds import ARMS, CONFOUNDED, DOSE, VILLAGES, WEIGHTED, Frame

BINARY: dict[str, Any] = {"outcome_model": bf.LinearModel(), "treatment_model": bf.LogisticModel()}
AMOUNT: dict[str, Any] = {"outcome_model": bf.LinearModel(), "treatment_model": bf.LinearModel()}
LINES, DOSES = bf.LinearEffects(**BINARY), bf.LinearEffects(**AMOUNT)


def _slopes(fit: Any, _: Frame) -> bf.Estimate:
    return fit.slopes


def _unit(fit: Any, _: Frame) -> bf.Estimate:
    """The effect of a unit with x1 = 1 and x2 = −1, of the second of two contrasts where there are two."""
    weights = [1.0, 1.0, -1.0] if len(fit.basis.names) == 3 else [0.0, 0.0, 1.0, 1.0]
    return fit.slopes.contrast(weights)


def _case(estimator: Any, world: Any, truth: float, **settings: Any) -> Case:
    return Case(estimator, world, settings.pop("estimand", bf.ATE()), truth, **settings)


SLOPES, UNIT = Asked(LINES, "Linear effects, slopes", _slopes), Asked(LINES, "Linear effects, one unit", _unit)
DOSE_SLOPES = Asked(DOSES, "Linear effects, slopes", _slopes)

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
)
