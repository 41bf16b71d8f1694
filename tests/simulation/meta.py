"""Average effects that come with effects of units: the scores are those of AIPW, whatever the learner."""

from __future__ import annotations

from typing import Any

import butfor as bf
from tests.simulation.coverage import Case
from tests.simulation.worlds import ARMS, CONFOUNDED, VILLAGES, WEIGHTED

LINEAR: dict[str, Any] = {"outcome_model": bf.LinearModel(), "propensity_model": bf.LogisticModel()}
DR = bf.DRLearner(**LINEAR)

META = (
    *(Case(kind(**LINEAR), CONFOUNDED, bf.ATE(), 1.0) for kind in (bf.SLearner, bf.TLearner, bf.XLearner)),
    *(Case(kind(**LINEAR), CONFOUNDED, bf.ATE(), 1.0) for kind in (bf.RLearner, bf.DRLearner, bf.EffectStack)),
    *(Case(DR, CONFOUNDED, e, CONFOUNDED.truth[e.label]) for e in (bf.ATT(), bf.ATO())),
    Case(DR, ARMS, bf.ATE(), 2.0, term=1),
    Case(DR, WEIGHTED, bf.ATE(), 1.0, settings=(("weights", "w"),)),
    Case(DR, VILLAGES, bf.ATE(), 1.0, inference=(("cluster", "village"),), n=800),
)
