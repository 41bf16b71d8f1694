"""Every estimator that must obey the laws: one line each."""

from __future__ import annotations

from dataclasses import dataclass, replace

import butfor as bf
from butfor.estimators.base import Estimator
from butfor.estimators.forest.causal import CausalForest
from butfor.estimators.mediation.controlled import ControlledDirect
from butfor.estimators.mediation.natural import MediationAnalysis
from butfor.estimators.meta.dr_learner import DRLearner
from butfor.estimators.meta.r_learner import RLearner
from butfor.estimators.meta.s_learner import SLearner
from butfor.estimators.meta.stack import EffectStack
from butfor.estimators.meta.t_learner import TLearner
from butfor.estimators.meta.x_learner import XLearner
from butfor.estimators.orthogonal.interactive_iv import InteractiveIV
from butfor.estimators.orthogonal.local_quantile_effect import LocalQuantileEffect
from butfor.estimators.orthogonal.partially_linear_iv import PartiallyLinearIV
from butfor.estimators.orthogonal.quantile_effect import QuantileEffect
from butfor.estimators.orthogonal.sparse_linear_effects import SparseLinearEffects
from butfor.estimators.orthogonal.tail_effect import TailEffect
from butfor.estimators.proximal.doubly_robust import ProximalDoublyRobust
from butfor.estimators.proximal.two_stage import ProximalTwoStage
from tests.estimators.by_graph import ByGraph
from tests.estimators.on_your_word import OnYourWord

LINEAR = {"outcome_model": bf.LinearModel(), "propensity_model": bf.LogisticModel()}


@dataclass(frozen=True)
class Enrolled:
    """An estimator with the kinds of treatment and the estimands that it answers, and which laws it obeys.

    `exact`: no law is left to chance; `subgroups`: it splits by subgroup; `draws`: it draws rows, so that a repeated
    row is not a row with a weight; `resamples`: its uncertainty comes from resamples, not from influence functions;
    `mirrored`: which effect each one becomes when the labels of two arms are swapped, if not itself.
    """

    estimator: Estimator | ByGraph | OnYourWord
    treatments: tuple[str, ...] = ("binary", "arms")
    estimands: tuple[bf.Estimand, ...] = (bf.ATE(),)
    exact: bool = True
    subgroups: bool = True
    draws: bool = False
    resamples: bool = False
    mirrored: tuple[int, ...] = ()

    @property
    def id(self) -> str:
        return repr(self.estimator)


# A front door beside columns before the treatment, a chain whose middle shares a hidden cause with the treatment, a
# column that is dealt out by weights, and expressions that are counted.
FRONT_DOOR = (
    "sex -> treatment; sex -> age; sex -> outcome; region -> treatment; region -> age; region -> outcome; "
    "treatment -> age -> outcome; treatment <-> outcome"
)
CHAIN = (
    "sex -> treatment; sex -> age; sex -> income; sex -> outcome; treatment -> age -> income -> outcome; "
    "treatment <-> income; age <-> outcome"
)
NAPKIN = "income -> region -> treatment -> outcome; income <-> treatment; income <-> outcome"
COUNTED = "treatment -> age -> outcome; treatment <-> outcome"

OFFERED = (
    "age -> offer; age -> treatment; age -> outcome; region -> offer; region -> treatment; region -> outcome; "
    "offer -> treatment -> outcome; treatment <-> outcome"
)
PUSHED = OFFERED.replace("offer", "push")
IV = {"outcome_model": bf.LinearModel(), "instrument_model": bf.LogisticModel()}
LINEAR_LATE = InteractiveIV(**IV, treatment_model=bf.LinearModel())
LINEAR_PLIV = PartiallyLinearIV(**IV, treatment_model=bf.LogisticModel())
DOSE_PLIV = replace(LINEAR_PLIV, treatment_model=bf.LinearModel(), instrument_model=bf.LinearModel())
FOREST = CausalForest(trees=100, outcome_model=bf.LinearModel(), treatment_model=bf.LogisticModel())
DOSE_FOREST = replace(FOREST, treatment_model=bf.LinearModel())
LEARNED = bf.LearnedPlugIn(**LINEAR, resamples=20)
LINEAR_LQTE = LocalQuantileEffect(quantiles=(0.3, 0.6), **IV, treatment_model=bf.LinearModel())
LINEAR_PLR = bf.PartiallyLinear(outcome_model=bf.LinearModel(), treatment_model=bf.LogisticModel())

MEDIATION = MediationAnalysis(**LINEAR)
THROUGH_INCOME = (("mediators", ("income",)),)
HELD_SEX = OnYourWord(ControlledDirect(**LINEAR), (("mediators", ("sex",)),))
TIMES = (("event", "seen"),)
RIDGE = bf.LogisticModel(penalty=0.01)
SURVIVAL = bf.SurvivalEffect(survival_model=RIDGE, censoring_model=RIDGE, propensity_model=bf.LogisticModel())
SURVIVAL_FOREST = bf.CausalSurvivalForest(
    trees=100, survival_model=RIDGE, censoring_model=RIDGE, treatment_model=bf.LogisticModel()
)
PROXIES = (("treatment_proxies", ("trace",)), ("outcome_proxies", ("age",)))

ALL = (
    Enrolled(bf.DifferenceInMeans()),
    Enrolled(bf.OLS(), ("binary", "arms", "amount")),
    Enrolled(bf.OLS(powers=2), ("binary", "arms", "amount")),
    Enrolled(bf.Lin(), estimands=(bf.ATE(), bf.ATT(), bf.ATC())),
    Enrolled(bf.IPW(), estimands=(bf.ATE(), bf.ATT(), bf.ATC(), bf.ATO(), bf.ATE(trim=0.1))),
    Enrolled(bf.AIPW(**LINEAR), estimands=(bf.ATE(), bf.ATT(), bf.ATC(), bf.ATO(), bf.ATE(trim=0.1))),
    Enrolled(bf.AIPW(folds=2), estimands=(bf.ATE(),), exact=False),
    Enrolled(bf.TMLE(**LINEAR), estimands=(bf.ATE(), bf.ATO())),
    Enrolled(
        bf.SortedEffects(learner=DRLearner(**LINEAR, effect_model=bf.LinearModel()), groups=2, splits=3),
        exact=False,  # swapped labels turn the order of the groups as well
        subgroups=False,
    ),
    Enrolled(
        bf.DoseResponse(outcome_model=bf.LinearModel(), treatment_model=bf.LinearModel()),
        ("amount",),
        exact=False,  # the width of a kernel knows how many rows there are, however they are weighted
        subgroups=False,
    ),
    Enrolled(bf.TMLE(**LINEAR), ("binary",), (bf.ATT(), bf.ATC(), bf.ATE(trim=0.1))),
    *(Enrolled(learner(**LINEAR)) for learner in (SLearner, TLearner, XLearner, RLearner, DRLearner, EffectStack)),
    Enrolled(bf.PartiallyLinear(outcome_model=bf.LinearModel(), treatment_model=bf.LogisticModel())),
    Enrolled(bf.PartiallyLinear(outcome_model=bf.LinearModel(), treatment_model=bf.LinearModel()), ("amount",)),
    Enrolled(bf.LinearEffects(outcome_model=bf.LinearModel(), treatment_model=bf.LogisticModel(), along=("age",))),
    Enrolled(
        bf.LinearEffects(outcome_model=bf.LinearModel(), treatment_model=bf.LinearModel(), powers=2, dose_powers=2),
        ("amount",),
    ),
    Enrolled(SparseLinearEffects(outcome_model=bf.LinearModel(), treatment_model=bf.LogisticModel())),
    Enrolled(SparseLinearEffects(outcome_model=bf.LinearModel(), treatment_model=bf.LinearModel()), ("amount",)),
    Enrolled(ByGraph(bf.AugmentedPrimalWeighting(**LINEAR), FRONT_DOOR), subgroups=False),
    Enrolled(ByGraph(bf.AugmentedPrimalWeighting(**LINEAR), CHAIN)),
    Enrolled(ByGraph(bf.AugmentedPrimalWeighting(**LINEAR), NAPKIN), subgroups=False),
    Enrolled(ByGraph(bf.PlugIn(), COUNTED), subgroups=False),
    Enrolled(ByGraph(LEARNED, FRONT_DOOR), subgroups=False, draws=True, resamples=True),
    Enrolled(ByGraph(LEARNED, NAPKIN), subgroups=False, draws=True, resamples=True),
    Enrolled(ByGraph(LINEAR_LATE, OFFERED), ("binary",)),
    Enrolled(ByGraph(LINEAR_PLIV, OFFERED), ("binary",)),
    Enrolled(ByGraph(DOSE_PLIV, PUSHED), ("amount",)),
    Enrolled(bf.AIPW(**LINEAR, repetitions=3), estimands=(bf.ATE(), bf.ATT())),
    Enrolled(replace(LINEAR_PLR, repetitions=3)),
    Enrolled(QuantileEffect(quantiles=(0.3, 0.8), **LINEAR), subgroups=False),
    Enrolled(TailEffect(quantiles=(0.8,), **LINEAR), subgroups=False),
    Enrolled(QuantileEffect(**LINEAR, repetitions=3), subgroups=False),
    Enrolled(ByGraph(LINEAR_LQTE, OFFERED), ("binary",), subgroups=False),
    Enrolled(ByGraph(replace(LINEAR_LATE, repetitions=3), OFFERED), ("binary",)),
    Enrolled(ByGraph(replace(DOSE_PLIV, repetitions=3), PUSHED), ("amount",)),
    Enrolled(FOREST, ("binary", "arms"), (bf.ATE(), bf.ATT(), bf.ATC(), bf.ATO(), bf.ATE(trim=0.1)), draws=True),
    Enrolled(DOSE_FOREST, ("amount",), draws=True),
    Enrolled(OnYourWord(SURVIVAL_FOREST, TIMES), ("binary",), draws=True),
    Enrolled(OnYourWord(SURVIVAL, TIMES), estimands=(bf.ATE(), bf.ATT())),
    Enrolled(OnYourWord(MEDIATION, THROUGH_INCOME, ("sex",)), mirrored=(0, 3, 4, 1, 2)),
    Enrolled(HELD_SEX, subgroups=False),
    Enrolled(OnYourWord(ProximalTwoStage(), PROXIES), ("binary", "arms", "amount")),
    Enrolled(OnYourWord(ProximalTwoStage(common_slope=True), PROXIES)),
    Enrolled(OnYourWord(ProximalDoublyRobust(), PROXIES, ("sex",))),
)
