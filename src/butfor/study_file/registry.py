"""Names in study files and the objects that they stand for: the only place where a name becomes a method."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from butfor.core.errors import StudySyntax, did_you_mean
from butfor.estimators.base import Estimator
from butfor.estimators.bounds.instrument import InstrumentBounds
from butfor.estimators.bounds.natural import NaturalBounds
from butfor.estimators.experiment.difference_in_means import DifferenceInMeans
from butfor.estimators.forest.causal import CausalForest
from butfor.estimators.forest.survival import CausalSurvivalForest
from butfor.estimators.functional.augmented_primal import AugmentedPrimalWeighting
from butfor.estimators.functional.learned_plug_in import LearnedPlugIn
from butfor.estimators.functional.plug_in import PlugIn
from butfor.estimators.mediation.controlled import ControlledDirect
from butfor.estimators.mediation.natural import MediationAnalysis
from butfor.estimators.meta.dr_learner import DRLearner
from butfor.estimators.meta.r_learner import RLearner
from butfor.estimators.meta.s_learner import SLearner
from butfor.estimators.meta.stack import EffectStack
from butfor.estimators.meta.t_learner import TLearner
from butfor.estimators.meta.targets import EffectLoss
from butfor.estimators.meta.x_learner import XLearner
from butfor.estimators.orthogonal.aipw import AIPW
from butfor.estimators.orthogonal.dose_response import DoseResponse
from butfor.estimators.orthogonal.interactive_iv import InteractiveIV
from butfor.estimators.orthogonal.linear_effects import LinearEffects
from butfor.estimators.orthogonal.local_quantile_effect import LocalQuantileEffect
from butfor.estimators.orthogonal.partially_linear import PartiallyLinear
from butfor.estimators.orthogonal.partially_linear_iv import PartiallyLinearIV
from butfor.estimators.orthogonal.quantile_effect import QuantileEffect
from butfor.estimators.orthogonal.sparse_linear_effects import SparseLinearEffects
from butfor.estimators.orthogonal.survival_effect import SurvivalEffect
from butfor.estimators.orthogonal.tail_effect import TailEffect
from butfor.estimators.orthogonal.targeted import TMLE
from butfor.estimators.proximal.doubly_robust import ProximalDoublyRobust
from butfor.estimators.proximal.two_stage import ProximalTwoStage
from butfor.estimators.regression.lin import Lin
from butfor.estimators.regression.ols import OLS
from butfor.estimators.sorted_effects import SortedEffects
from butfor.estimators.weighting.ipw import IPW
from butfor.inference.covariance import Robust
from butfor.nuisance.boosting import Boosting
from butfor.nuisance.constant import ConstantModel
from butfor.nuisance.learner import Learner
from butfor.nuisance.linear import LinearModel
from butfor.nuisance.logistic import LogisticModel
from butfor.nuisance.random_forest import RandomForest

ESTIMATORS: Mapping[str, type[Estimator]] = {
    kind.name: kind
    for kind in (
        DifferenceInMeans,
        OLS,
        Lin,
        IPW,
        AIPW,
        TMLE,
        PartiallyLinear,
        DoseResponse,
        SortedEffects,
        InteractiveIV,
        PartiallyLinearIV,
        QuantileEffect,
        LocalQuantileEffect,
        TailEffect,
        SurvivalEffect,
        LinearEffects,
        SparseLinearEffects,
        CausalForest,
        CausalSurvivalForest,
        EffectStack,
        SLearner,
        TLearner,
        XLearner,
        RLearner,
        DRLearner,
        AugmentedPrimalWeighting,
        LearnedPlugIn,
        PlugIn,
        MediationAnalysis,
        ControlledDirect,
        ProximalTwoStage,
        ProximalDoublyRobust,
        NaturalBounds,
        InstrumentBounds,
    )
}
ALIASES: Mapping[str, str] = {"plr": PartiallyLinear.name}
LEARNERS: Mapping[str, type[Learner] | None] = {
    "linear": LinearModel,
    "logistic": LogisticModel,
    "boosting": Boosting,
    "random_forest": RandomForest,
    "constant": ConstantModel,
    "mix": None,
    "default": None,
}
# Settings that are one of a few words.
CHOICES: Mapping[str, Callable[[Any], Any]] = {"covariance": Robust.of, "loss": EffectLoss.of}
# Settings that are names of columns.
NAMES = frozenset({"along"})
# Settings that are several numbers.
NUMBERS = frozenset({"doses", "quantiles", "times"})
# Settings whose values are objects that no word stands for.
PYTHON_ONLY = frozenset({"candidates", "learner"})


def estimator(entry: str | Mapping[str, Mapping[str, Any] | None]) -> Estimator:
    """The estimator of one entry of `estimators`: a name, or {name: {setting: value}}.

    Raises:
        StudySyntax: for an unknown name or setting, with the nearest right one.
    """
    if isinstance(entry, str):
        return _lookup(entry)()
    if len(entry) != 1:
        raise StudySyntax(
            f"An estimator has {len(entry)} names ({', '.join(entry)}); an entry needs one.",
            hint="start each estimator with its own dash",
        )
    ((name, settings),) = entry.items()
    kind = _lookup(name)
    fields = {f.name: f for f in dataclasses.fields(kind)}
    chosen: dict[str, Any] = {}
    for key, value in (settings or {}).items():
        if key not in fields:
            raise StudySyntax(
                f"estimators.{name}.{key} is not a setting; {kind.title} needs one of {', '.join(fields) or 'none'}.",
                hint=did_you_mean(key, fields),
            )
        chosen[key] = _setting(f"estimators.{name}.{key}", key, value, fields[key].default)
    try:
        return kind(**chosen)
    except TypeError as error:
        raise StudySyntax(
            f"estimators.{name} has a setting of the wrong type ({error}).", hint="see the method's page"
        ) from error


def _lookup(name: str) -> type[Estimator]:
    name = ALIASES.get(name, name)
    if name not in ESTIMATORS:
        raise StudySyntax(
            f"estimators has {name!r}; it needs names among {', '.join(ESTIMATORS)}.",
            hint=did_you_mean(name, ESTIMATORS),
        )
    return ESTIMATORS[name]


def _setting(where: str, key: str, value: Any, default: Any) -> Any:
    if key.endswith("_model"):
        return _learner(where, value)
    if key in CHOICES:
        return CHOICES[key](value)
    if key in PYTHON_ONLY:
        raise StudySyntax(
            f"{where} holds objects; a study file has words only.", hint=f"leave out {key}, or use Python"
        )
    if key in NAMES:
        if not isinstance(value, str | list) or not all(isinstance(name, str) for name in value):
            raise StudySyntax(f"{where} is {value!r}; this setting needs names of columns.", hint=f"{key}: [age]")
        return (value,) if isinstance(value, str) else tuple(value)
    if key in NUMBERS:
        if not isinstance(value, list) or not all(_is_number(entry) for entry in value):
            raise StudySyntax(f"{where} is {value!r}; this setting needs a list of numbers.", hint=f"{key}: [0, 1, 2]")
        return tuple(value)
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise StudySyntax(f"{where} is {value!r}; this setting needs true or false.", hint=f"{key}: true")
        return value
    whole = isinstance(default, int)
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        kind = "whole number" if whole else "number"
        raise StudySyntax(f"{where} is {value!r}; this setting needs a {kind}.", hint=f"{key}: {2 if whole else 0.05}")
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _learner(where: str, value: Any) -> Learner | None:
    if not isinstance(value, str) or value not in LEARNERS:
        raise StudySyntax(
            f"{where} is {value!r}; a nuisance model needs one of {', '.join(LEARNERS)}.",
            hint=did_you_mean(str(value), LEARNERS),
        )
    kind = LEARNERS[value]
    return None if kind is None else kind()
