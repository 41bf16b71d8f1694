"""Coverage of effects on quantiles and on means above them: sampling weights, clusters, both ends."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.random import Generator

import butfor as bf
from butfor.estimators.orthogonal.local_quantile_effect import LocalQuantileEffect
from butfor.estimators.orthogonal.quantile_effect import QuantileEffect
from butfor.estimators.orthogonal.tail_effect import TailEffect
from butfor.question import LQTE, QTE, CVaRE
from tests.simulation.coverage import Case
from tests.simulation.worlds import OFFERED_VILLAGES, VILLAGES, WEIGHTED, Frame, World

LINEAR = {"outcome_model": bf.LinearModel(), "propensity_model": bf.LogisticModel()}
STANDARD = NormalDist()


def _spread(rng: Generator, n: int) -> Frame:
    """Without treatment N(0, 2), with it N(1, 1.5² + 1); x decides on the treatment as well."""
    x = rng.normal(size=n)
    t = (rng.random(n) < 1.0 / (1.0 + np.exp(-0.7 * x))).astype(int)
    return {"treatment": t, "outcome": x + t * (1.0 + 0.5 * x) + rng.normal(size=n), "x1": x}


def _spread_by_offer(rng: Generator, n: int) -> Frame:
    """The same among half of the units, whom an offer moves; a fifth always take it, and have more anyway."""
    x, kind = rng.normal(size=n), rng.random(n)
    z = (rng.random(n) < 1.0 / (1.0 + np.exp(-0.7 * x))).astype(int)
    always, complier = kind < 0.2, kind > 0.5
    t = (always | (complier & (z == 1))).astype(int)
    y = x + t * (1.0 + 0.5 * x) + 1.5 * always + rng.normal(size=n)
    return {"treatment": t, "outcome": y, "z": z, "x1": x}


def quantile_gap(q: float, spreads: tuple[float, float], shift: float = 1.0) -> float:
    """Quantiles of N(shift, b²) less those of N(0, a²)."""
    return shift + STANDARD.inv_cdf(q) * (spreads[1] - spreads[0])


def tail_gap(q: float, spreads: tuple[float, float], shift: float = 1.0) -> float:
    """The same of means above quantiles: μ + σ φ(z) / (1 − q)."""
    return shift + STANDARD.pdf(STANDARD.inv_cdf(q)) / (1 - q) * (spreads[1] - spreads[0])


SPREADS = (2**0.5, 3.25**0.5)
SPREAD = World("wider with the treatment", _spread, {}, ("x1",))
SPREAD_BY_OFFER = World("wider for those who take an offer", _spread_by_offer, {}, ("x1",))
INSTRUMENT = (("instrument", "z"),)
VILLAGE = (("cluster", "village"),)


def _quantile(q: float) -> QuantileEffect:
    return QuantileEffect(quantiles=(q,), **LINEAR)  # type: ignore[arg-type]


def _tail(q: float) -> TailEffect:
    return TailEffect(quantiles=(q,), **LINEAR)  # type: ignore[arg-type]


def _local(q: float) -> LocalQuantileEffect:
    return LocalQuantileEffect(
        quantiles=(q,),
        outcome_model=bf.LinearModel(),
        treatment_model=bf.LinearModel(),
        instrument_model=bf.LogisticModel(),
    )


QUANTILES = (
    *(Case(_quantile(q), SPREAD, QTE(), quantile_gap(q, SPREADS)) for q in (0.1, 0.5, 0.9)),
    Case(_tail(0.8), SPREAD, CVaRE(), tail_gap(0.8, SPREADS)),
    # Among the sampled, without treatment N(0, 2), with it N(1, 5).
    Case(_quantile(0.5), WEIGHTED, QTE(), quantile_gap(0.5, (2**0.5, 5**0.5)), settings=(("weights", "w"),)),
    Case(_quantile(0.5), VILLAGES, QTE(), 1.0, VILLAGE, n=800),
    Case(_tail(0.8), VILLAGES, CVaRE(), 1.0, VILLAGE, n=800),
    *(
        Case(_local(q), SPREAD_BY_OFFER, LQTE(), quantile_gap(q, SPREADS), settings=INSTRUMENT, n=1000)
        for q in (0.25, 0.5, 0.75)
    ),
    Case(_local(0.5), OFFERED_VILLAGES, LQTE(), 1.0, VILLAGE, settings=INSTRUMENT, n=800),
)
