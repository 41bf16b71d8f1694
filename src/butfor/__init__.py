"""Butfor: from a decision to a causal answer that survives scrutiny.

    import butfor as bf

    study = bf.Study("customers.parquet",
                     question=bf.Question("discount", "value_90d"),
                     graph="segment -> discount; segment -> value_90d; discount -> value_90d")
    study.identify()
    study.estimate()
    study.refute()
    study.decide(value_per_unit=1.0, cost_per_treated=5.0)
    study.report("report.html")

Names load when first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_HOME = {
    "ButforError": "core.errors",
    "Diagnostic": "core.diagnostic",
    "Table": "core.table",
    "from_json": "core.serial",
    "to_json": "core.serial",
    "ATC": "question.estimands",
    "ATE": "question.estimands",
    "ATO": "question.estimands",
    "ATT": "question.estimands",
    "CWE": "question.estimands",
    "LATE": "question.estimands",
    "Question": "question.question",
    "Observational": "question.design",
    "Cutoff": "question.design",
    "Instrumented": "question.design",
    "Panel": "question.design",
    "Randomized": "question.design",
    "judge": "question.framing",
    "CausalGraph": "graph.causal_graph",
    "keep_gaps": "data.gaps",
    "open_dataset": "data.dataset",
    "Identification": "identify.identification",
    "Adjustment": "identify.strategies",
    "Randomization": "identify.strategies",
    "FrontDoor": "identify.strategies",
    "Functional": "identify.strategies",
    "Instrument": "identify.strategies",
    "Query": "identify.query",
    "CounterfactualEvent": "identify.counterfactual.events",
    "CounterfactualQuery": "identify.counterfactual.events",
    "identify_counterfactual": "identify.counterfactual.identify",
    "identify_natural_effects": "identify.mediation.natural",
    "identify_path_specific": "identify.mediation.path_specific",
    "identify_interventional_effects": "identify.mediation.interventional",
    "identify_controlled_direct_effect": "identify.direct_effects",
    "Experiment": "identify.general.sources",
    "MarkedGraph": "graph.marked_graph",
    "propose_graph": "discovery.propose",
    "GraphProposal": "discovery.proposal",
    "Knowledge": "discovery.knowledge",
    "PC": "discovery.methods",
    "FCI": "discovery.methods",
    "GES": "discovery.methods",
    "Estimate": "inference.estimate",
    "Boosting": "nuisance.boosting",
    "ConstantModel": "nuisance.constant",
    "LinearModel": "nuisance.linear",
    "LogisticModel": "nuisance.logistic",
    "Mix": "nuisance.mix",
    "OutOfFold": "nuisance.wrap",
    "RandomForest": "nuisance.random_forest",
    "DifferenceInMeans": "estimators.experiment.difference_in_means",
    "OLS": "estimators.regression.ols",
    "Lin": "estimators.regression.lin",
    "IPW": "estimators.weighting.ipw",
    "AIPW": "estimators.orthogonal.aipw",
    "TMLE": "estimators.orthogonal.targeted",
    "SortedEffects": "estimators.sorted_effects",
    "DoseResponse": "estimators.orthogonal.dose_response",
    "AugmentedPrimalWeighting": "estimators.functional.augmented_primal",
    "LearnedPlugIn": "estimators.functional.learned_plug_in",
    "PlugIn": "estimators.functional.plug_in",
    "MediationAnalysis": "estimators.mediation.natural",
    "ControlledDirect": "estimators.mediation.controlled",
    "ProximalTwoStage": "estimators.proximal.two_stage",
    "ProximalDoublyRobust": "estimators.proximal.doubly_robust",
    "NaturalBounds": "estimators.bounds.natural",
    "InstrumentBounds": "estimators.bounds.instrument",
    "PartiallyLinear": "estimators.orthogonal.partially_linear",
    "InteractiveIV": "estimators.orthogonal.interactive_iv",
    "LocalQuantileEffect": "estimators.orthogonal.local_quantile_effect",
    "QuantileEffect": "estimators.orthogonal.quantile_effect",
    "CausalSurvivalForest": "estimators.forest.survival",
    "SurvivalEffect": "estimators.orthogonal.survival_effect",
    "TailEffect": "estimators.orthogonal.tail_effect",
    "PartiallyLinearIV": "estimators.orthogonal.partially_linear_iv",
    "SLearner": "estimators.meta.s_learner",
    "TLearner": "estimators.meta.t_learner",
    "XLearner": "estimators.meta.x_learner",
    "RLearner": "estimators.meta.r_learner",
    "DRLearner": "estimators.meta.dr_learner",
    "EffectStack": "estimators.meta.stack",
    "interventional_means": "estimators.interventional",
    "LinearEffects": "estimators.orthogonal.linear_effects",
    "SparseLinearEffects": "estimators.orthogonal.sparse_linear_effects",
    "CausalForest": "estimators.forest.causal",
    "load_effects": "estimators.forest.model",
    "Reading": "estimators.base",
    "Estimator": "estimators.base",
    "Fit": "estimators.base",
    "Refutation": "refute.refutation",
    "PlaceboTreatment": "refute.placebo_treatment",
    "PlaceboOutcome": "refute.placebo_outcome",
    "RandomCommonCause": "refute.random_common_cause",
    "DataSubset": "refute.data_subset",
    "Bootstrap": "refute.bootstrap",
    "SimulatedConfounder": "refute.simulated_confounder",
    "EValue": "refute.evalue",
    "Decision": "decide.decision",
    "Study": "study",
}

__all__ = ["__version__", *_HOME]  # pyright: ignore[reportUnsupportedDunderAll]  # noqa: PLE0604 - names of _HOME


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'butfor' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"butfor.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


if TYPE_CHECKING:
    from butfor.core.diagnostic import Diagnostic as Diagnostic
    from butfor.core.errors import ButforError as ButforError
    from butfor.core.serial import from_json as from_json
    from butfor.core.serial import to_json as to_json
    from butfor.core.table import Table as Table
    from butfor.data.dataset import open_dataset as open_dataset
    from butfor.data.gaps import keep_gaps as keep_gaps
    from butfor.decide.decision import Decision as Decision
    from butfor.discovery.knowledge import Knowledge as Knowledge
    from butfor.discovery.methods import FCI as FCI
    from butfor.discovery.methods import GES as GES
    from butfor.discovery.methods import PC as PC
    from butfor.discovery.proposal import GraphProposal as GraphProposal
    from butfor.discovery.propose import propose_graph as propose_graph
    from butfor.estimators.base import Estimator as Estimator
    from butfor.estimators.base import Fit as Fit
    from butfor.estimators.base import Reading as Reading
    from butfor.estimators.bounds.instrument import InstrumentBounds as InstrumentBounds
    from butfor.estimators.bounds.natural import NaturalBounds as NaturalBounds
    from butfor.estimators.experiment.difference_in_means import DifferenceInMeans as DifferenceInMeans
    from butfor.estimators.forest.causal import CausalForest as CausalForest
    from butfor.estimators.forest.model import load_effects as load_effects
    from butfor.estimators.forest.survival import CausalSurvivalForest as CausalSurvivalForest
    from butfor.estimators.functional.augmented_primal import AugmentedPrimalWeighting as AugmentedPrimalWeighting
    from butfor.estimators.functional.learned_plug_in import LearnedPlugIn as LearnedPlugIn
    from butfor.estimators.functional.plug_in import PlugIn as PlugIn
    from butfor.estimators.interventional import interventional_means as interventional_means
    from butfor.estimators.mediation.controlled import ControlledDirect as ControlledDirect
    from butfor.estimators.mediation.natural import MediationAnalysis as MediationAnalysis
    from butfor.estimators.meta.dr_learner import DRLearner as DRLearner
    from butfor.estimators.meta.r_learner import RLearner as RLearner
    from butfor.estimators.meta.s_learner import SLearner as SLearner
    from butfor.estimators.meta.stack import EffectStack as EffectStack
    from butfor.estimators.meta.t_learner import TLearner as TLearner
    from butfor.estimators.meta.x_learner import XLearner as XLearner
    from butfor.estimators.orthogonal.aipw import AIPW as AIPW
    from butfor.estimators.orthogonal.dose_response import DoseResponse as DoseResponse
    from butfor.estimators.orthogonal.interactive_iv import InteractiveIV as InteractiveIV
    from butfor.estimators.orthogonal.linear_effects import LinearEffects as LinearEffects
    from butfor.estimators.orthogonal.local_quantile_effect import LocalQuantileEffect as LocalQuantileEffect
    from butfor.estimators.orthogonal.partially_linear import PartiallyLinear as PartiallyLinear
    from butfor.estimators.orthogonal.partially_linear_iv import PartiallyLinearIV as PartiallyLinearIV
    from butfor.estimators.orthogonal.quantile_effect import QuantileEffect as QuantileEffect
    from butfor.estimators.orthogonal.sparse_linear_effects import SparseLinearEffects as SparseLinearEffects
    from butfor.estimators.orthogonal.survival_effect import SurvivalEffect as SurvivalEffect
    from butfor.estimators.orthogonal.tail_effect import TailEffect as TailEffect
    from butfor.estimators.orthogonal.targeted import TMLE as TMLE
    from butfor.estimators.proximal.doubly_robust import ProximalDoublyRobust as ProximalDoublyRobust
    from butfor.estimators.proximal.two_stage import ProximalTwoStage as ProximalTwoStage
    from butfor.estimators.regression.lin import Lin as Lin
    from butfor.estimators.regression.ols import OLS as OLS
    from butfor.estimators.sorted_effects import SortedEffects as SortedEffects
    from butfor.estimators.weighting.ipw import IPW as IPW
    from butfor.graph.causal_graph import CausalGraph as CausalGraph
    from butfor.graph.marked_graph import MarkedGraph as MarkedGraph
    from butfor.identify.counterfactual.events import CounterfactualEvent as CounterfactualEvent
    from butfor.identify.counterfactual.events import CounterfactualQuery as CounterfactualQuery
    from butfor.identify.counterfactual.identify import identify_counterfactual as identify_counterfactual
    from butfor.identify.direct_effects import identify_controlled_direct_effect as identify_controlled_direct_effect
    from butfor.identify.general.sources import Experiment as Experiment
    from butfor.identify.identification import Identification as Identification
    from butfor.identify.mediation.interventional import (
        identify_interventional_effects as identify_interventional_effects,
    )
    from butfor.identify.mediation.natural import identify_natural_effects as identify_natural_effects
    from butfor.identify.mediation.path_specific import identify_path_specific as identify_path_specific
    from butfor.identify.query import Query as Query
    from butfor.identify.strategies import Adjustment as Adjustment
    from butfor.identify.strategies import FrontDoor as FrontDoor
    from butfor.identify.strategies import Functional as Functional
    from butfor.identify.strategies import Instrument as Instrument
    from butfor.identify.strategies import Randomization as Randomization
    from butfor.inference.estimate import Estimate as Estimate
    from butfor.nuisance.boosting import Boosting as Boosting
    from butfor.nuisance.constant import ConstantModel as ConstantModel
    from butfor.nuisance.linear import LinearModel as LinearModel
    from butfor.nuisance.logistic import LogisticModel as LogisticModel
    from butfor.nuisance.mix import Mix as Mix
    from butfor.nuisance.random_forest import RandomForest as RandomForest
    from butfor.nuisance.wrap import OutOfFold as OutOfFold
    from butfor.question.design import Cutoff as Cutoff
    from butfor.question.design import Instrumented as Instrumented
    from butfor.question.design import Observational as Observational
    from butfor.question.design import Panel as Panel
    from butfor.question.design import Randomized as Randomized
    from butfor.question.estimands import ATC as ATC
    from butfor.question.estimands import ATE as ATE
    from butfor.question.estimands import ATO as ATO
    from butfor.question.estimands import ATT as ATT
    from butfor.question.estimands import CWE as CWE
    from butfor.question.estimands import LATE as LATE
    from butfor.question.framing import judge as judge
    from butfor.question.question import Question as Question
    from butfor.refute.bootstrap import Bootstrap as Bootstrap
    from butfor.refute.data_subset import DataSubset as DataSubset
    from butfor.refute.evalue import EValue as EValue
    from butfor.refute.placebo_outcome import PlaceboOutcome as PlaceboOutcome
    from butfor.refute.placebo_treatment import PlaceboTreatment as PlaceboTreatment
    from butfor.refute.random_common_cause import RandomCommonCause as RandomCommonCause
    from butfor.refute.refutation import Refutation as Refutation
    from butfor.refute.simulated_confounder import SimulatedConfounder as SimulatedConfounder
    from butfor.study import Study as Study
