"""Coverage of targeted maximum likelihood."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

import butfor as bf
from tests.simulation.coverage import Case
from tests.simulation.worlds import ARMS, CONFOUNDED, VILLAGES, WEIGHTED, Frame, World

TMLE = bf.TMLE(outcome_model=bf.LinearModel(), propensity_model=bf.LogisticModel())


def _yes_or_no(rng: Generator, n: int) -> Frame:
    """Chances of .1 to .9 that the treatment raises by .2 for everyone, more for those who are treated less often."""
    x = rng.uniform(-1, 1, size=n)
    t = (rng.random(n) < 1 / (1 + np.exp(-0.7 * x))).astype(int)
    y = (rng.random(n) < 0.4 + 0.2 * x + t * (0.2 - 0.1 * x)).astype(int)
    return {"treatment": t, "outcome": y, "x1": x}


def _yes_or_no_truth() -> dict[str, float]:
    """.2 − .1 x over everyone and over the treated, by Gauss–Legendre quadrature."""
    x, w = np.polynomial.legendre.leggauss(40)
    e = 1 / (1 + np.exp(-0.7 * x))
    return {"ATE": 0.2, "ATT": float((w * e) @ (0.2 - 0.1 * x) / (w @ e))}


YES_OR_NO = World("yes or no", _yes_or_no, _yes_or_no_truth(), ("x1",))


def _case(world: World, estimand: bf.Estimand | None = None, **settings: object) -> Case:
    asked = estimand or bf.ATE()
    return Case(TMLE, world, asked, world.truth[asked.label], **settings)  # type: ignore[arg-type]


TARGETED = (
    *(_case(CONFOUNDED, e) for e in (bf.ATE(), bf.ATT(), bf.ATC(), bf.ATO())),
    *(_case(YES_OR_NO, e, n=400) for e in (bf.ATE(), bf.ATT())),
    _case(ARMS, bands=(1.0, 2.0), draws=1000),
    _case(WEIGHTED, settings=(("weights", "w"),)),
    _case(VILLAGES, inference=(("cluster", "village"),), n=800),
)
