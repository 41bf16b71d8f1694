"""Every standard error of the library, in a world where it should be right."""

from __future__ import annotations

from dataclasses import replace

import butfor as bf
from butfor.estimators.orthogonal.interactive_iv import InteractiveIV
from butfor.estimators.orthogonal.partially_linear_iv import PartiallyLinearIV
from butfor.question import CWE, LATE
from tests.estimators.by_graph import ByGraph
from tests.simulation.asked import Asked
from tests.simulation.coverage import Case
from tests.simulation.dose import DOSE_RESPONSE
from tests.simulation.forest import FORESTS, LEARNED_FORESTS
from tests.simulation.heterogeneity import HETEROGENEITY, on_x1
from tests.simulation.linear_effects import LINEAR_EFFECTS
from tests.simulation.mediation import CONTROLLED, LEARNED_MEDIATION, MEDIATION
from tests.simulation.meta import META
from tests.simulation.proximal import PROXIMAL
from tests.simulation.quantiles import QUANTILES
from tests.simulation.survival import LEARNED_CURVES, SURVIVAL_CURVES, SURVIVAL_FORESTS
from tests.simulation.targeted import TARGETED
from tests.simulation.worlds import (
    ARMS,
    CONFOUNDED,
    COUNTED,
    CURVED,
    DOSE,
    FRONT_DOOR,
    FRONT_DOOR_ARMS,
    FRONT_DOOR_COUNTED,
    FRONT_DOOR_SAMPLED,
    FRONT_DOOR_VILLAGES,
    GROUPS,
    LONG_WAY,
    NAPKIN,
    NAPKIN_COUNTED,
    OFFERED,
    OFFERED_SAMPLED,
    OFFERED_VILLAGES,
    PUSHED,
    RANDOMISED,
    VILLAGES,
    WEIGHTED,
    World,
)

LINEAR_AIPW = bf.AIPW(outcome_model=bf.LinearModel(), propensity_model=bf.LogisticModel())
LINEAR_PLR = bf.PartiallyLinear(outcome_model=bf.LinearModel(), treatment_model=bf.LogisticModel())
DOSE_PLR = bf.PartiallyLinear(outcome_model=bf.LinearModel(), treatment_model=bf.LinearModel())
DIM = bf.DifferenceInMeans()
ESTIMANDS = (bf.ATE(), bf.ATT(), bf.ATC(), bf.ATO())
TRIMMED = bf.ATE(trim=0.2)


def _hc(kind: str) -> tuple[tuple[str, str], ...]:
    return (("covariance", kind),)


VILLAGE = (("cluster", "village"),)


def _case(estimator: bf.Estimator | ByGraph, world: World, estimand: bf.Estimand, **settings: object) -> Case:
    return Case(estimator, world, estimand, world.truth[estimand.label], **settings)  # type: ignore[arg-type]


PRIMAL = bf.AugmentedPrimalWeighting(outcome_model=bf.LinearModel(), propensity_model=bf.LogisticModel())
CHAINED = bf.LearnedPlugIn(outcome_model=bf.LinearModel(), propensity_model=bf.LogisticModel(), resamples=50)
WITH_COVARIATE = "x1 -> treatment; x1 -> m; x1 -> outcome; treatment -> m -> outcome; treatment <-> outcome"
MEDIATED = "treatment -> m -> outcome; treatment <-> outcome"
ORDERED = "treatment -> m -> l -> outcome; treatment <-> l; m <-> outcome"
DEALT_OUT = "w -> z -> treatment -> outcome; w <-> treatment; w <-> outcome"

FUNCTIONAL = (
    _case(ByGraph(PRIMAL, WITH_COVARIATE), FRONT_DOOR, bf.ATE()),
    _case(ByGraph(PRIMAL, WITH_COVARIATE), FRONT_DOOR_SAMPLED, bf.ATE(), settings=(("weights", "w"),)),
    _case(ByGraph(PRIMAL, MEDIATED), FRONT_DOOR_VILLAGES, bf.ATE(), inference=VILLAGE, n=800),
    Case(ByGraph(PRIMAL, MEDIATED), FRONT_DOOR_ARMS, bf.ATE(), 1.6, term=1),  # type: ignore[arg-type]
    Case(ByGraph(PRIMAL, MEDIATED), FRONT_DOOR_ARMS, bf.ATE(), 0.8, bands=(0.8, 1.6), draws=1000),  # type: ignore[arg-type]
    _case(ByGraph(PRIMAL, ORDERED), LONG_WAY, bf.ATE()),
    _case(ByGraph(PRIMAL, DEALT_OUT), NAPKIN, bf.ATE(), n=1000),
    _case(ByGraph(PRIMAL, DEALT_OUT), NAPKIN_COUNTED, bf.ATE(), n=1000),
    _case(ByGraph(bf.PlugIn(), DEALT_OUT), NAPKIN_COUNTED, bf.ATE(), n=1000),
    _case(ByGraph(bf.PlugIn(), MEDIATED), FRONT_DOOR_COUNTED, bf.ATE()),
)

INSTRUMENT, SAMPLED = ("instrument", "z"), ("weights", "w")
IV = {"outcome_model": bf.LinearModel(), "instrument_model": bf.LogisticModel()}
LINEAR_LATE = InteractiveIV(**IV, treatment_model=bf.LinearModel())
LINEAR_PLIV = PartiallyLinearIV(**IV, treatment_model=bf.LogisticModel())
DOSE_PLIV = PartiallyLinearIV(
    outcome_model=bf.LinearModel(), treatment_model=bf.LinearModel(), instrument_model=bf.LinearModel()
)
LATE_LINE = Asked(LINEAR_LATE, "Interactive IV, linear predictor", on_x1)
PLIV_LINE = Asked(DOSE_PLIV, "Partially linear IV, linear predictor", on_x1)
INSTRUMENTAL = (
    _case(LINEAR_LATE, OFFERED, LATE(), settings=(INSTRUMENT,)),
    _case(LINEAR_PLIV, OFFERED, CWE(), settings=(INSTRUMENT,)),
    _case(LINEAR_LATE, OFFERED_SAMPLED, LATE(), settings=(INSTRUMENT, SAMPLED)),
    _case(LINEAR_LATE, OFFERED_VILLAGES, LATE(), settings=(INSTRUMENT,), inference=VILLAGE, n=800),
    _case(LINEAR_PLIV, OFFERED_VILLAGES, CWE(), settings=(INSTRUMENT,), inference=VILLAGE, n=800),
    _case(DOSE_PLIV, PUSHED, CWE(), settings=(INSTRUMENT,)),
    _case(replace(LINEAR_LATE, repetitions=3), OFFERED, LATE(), settings=(INSTRUMENT,), draws=1000),
    Case(LATE_LINE, OFFERED, LATE(), 1.0, term=1, settings=(INSTRUMENT,), n=1500, draws=2000),  # type: ignore[arg-type]
    Case(PLIV_LINE, PUSHED, CWE(), 1.5, settings=(INSTRUMENT,), draws=2000),  # type: ignore[arg-type]
    _case(replace(LINEAR_AIPW, repetitions=3), CONFOUNDED, bf.ATE(), draws=1000),
)

# The difference in means ignores covariates, hence it is right in the randomised worlds only.
BARE_RANDOMISED = World("randomised", RANDOMISED.draw, RANDOMISED.truth, ())
BARE_VILLAGES = World("villages", VILLAGES.draw, VILLAGES.truth, ())

FAST = (
    *(_case(DIM, BARE_RANDOMISED, bf.ATE(), inference=_hc(kind), n=60) for kind in ("HC2", "HC3")),
    *(_case(bf.Lin(), RANDOMISED, bf.ATE(), inference=_hc(kind), n=200) for kind in ("HC0", "HC1", "HC2", "HC3")),
    *(Case(bf.OLS(), DOSE, bf.ATE(), 1.5, _hc(kind)) for kind in ("HC0", "HC1", "HC2", "HC3")),
    *(_case(bf.Lin(), CONFOUNDED, estimand) for estimand in ESTIMANDS[:3]),
    *(_case(bf.IPW(), CONFOUNDED, estimand) for estimand in (*ESTIMANDS, TRIMMED)),
    *(_case(LINEAR_AIPW, CONFOUNDED, estimand) for estimand in (*ESTIMANDS, TRIMMED)),
    Case(LINEAR_PLR, CONFOUNDED, bf.ATO(), CONFOUNDED.truth["ATO"]),
    Case(DOSE_PLR, DOSE, bf.ATE(), 1.5),
    *(_case(e, COUNTED, x) for e, x in ((LINEAR_AIPW, bf.ATE()), (LINEAR_PLR, bf.ATO()))),
    *(Case(e, ARMS, bf.ATE(), 2.0, term=1) for e in (bf.Lin(), bf.IPW(), LINEAR_AIPW)),
    *(Case(e, ARMS, bf.ATE(), 1.0, bands=(1.0, 2.0), draws=1000) for e in (bf.IPW(), LINEAR_AIPW)),
    *(
        Case(e, GROUPS, bf.ATE(), 2.0, term=2, settings=(("modifiers", ("sex",)),))
        for e in (bf.OLS(), bf.Lin(), bf.IPW(), LINEAR_AIPW)
    ),
    *(Case(e, WEIGHTED, bf.ATE(), 1.0, settings=(("weights", "w"),)) for e in (bf.Lin(), bf.IPW(), LINEAR_AIPW)),
    *(_case(e, w, bf.ATE(), inference=VILLAGE, n=800) for e, w in ((DIM, BARE_VILLAGES), (bf.OLS(), VILLAGES))),
    *(_case(e, VILLAGES, bf.ATE(), inference=VILLAGE, n=800) for e in (bf.Lin(), bf.IPW(), LINEAR_AIPW, LINEAR_PLR)),
    *FUNCTIONAL,
    *INSTRUMENTAL,
    *QUANTILES,
    *HETEROGENEITY,
    *TARGETED,
    *DOSE_RESPONSE,
    *META,
    *LINEAR_EFFECTS,
    *MEDIATION,
    *CONTROLLED,
    *PROXIMAL,
    *SURVIVAL_CURVES,
)

SLOW = (
    _case(ByGraph(CHAINED, WITH_COVARIATE), FRONT_DOOR, bf.ATE(), draws=400),
    _case(ByGraph(CHAINED, MEDIATED), FRONT_DOOR_VILLAGES, bf.ATE(), settings=VILLAGE, n=800, draws=400),
    _case(ByGraph(CHAINED, DEALT_OUT), NAPKIN, bf.ATE(), n=1000, draws=400),
    _case(ByGraph(CHAINED, DEALT_OUT), NAPKIN_COUNTED, bf.ATE(), n=1000, draws=400),
    *LEARNED_MEDIATION,
    *FORESTS,
    *LEARNED_FORESTS,
    *LEARNED_CURVES,
    *SURVIVAL_FORESTS,
    _case(InteractiveIV(), OFFERED, LATE(), settings=(INSTRUMENT,), n=1000, draws=400),
    _case(ByGraph(bf.AugmentedPrimalWeighting(), WITH_COVARIATE), FRONT_DOOR, bf.ATE(), n=1000, draws=400),
    # Learned nuisances are biased at this size, and the score by the product of their errors: the interval is short.
    _case(bf.AIPW(), CURVED, bf.ATE(), n=1000, draws=400, bias_allowed=0.5, coverage_allowed=0.05),
    _case(bf.AIPW(), CONFOUNDED, bf.ATE(), n=1000, draws=400),
)
