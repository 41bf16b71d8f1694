"""Genuine refits: the estimator run again, with its own settings and folds, on altered data."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from butfor.data.sample import Covariates, Sample
from butfor.estimators.base import Estimator, Fit
from butfor.estimators.experiment.difference_in_means import DifferenceInMeans
from butfor.estimators.functional.learned_plug_in import LearnedPlugIn
from butfor.estimators.functional.plug_in import PlugIn
from butfor.identify.bounds.strategy import Bounds
from butfor.identify.proximal import ProximalPair
from butfor.identify.strategies import FrontDoor, Functional, Instrument
from butfor.nuisance.cache import NuisanceCache
from butfor.nuisance.linear import LinearModel
from butfor.nuisance.logistic import LogisticModel
from butfor.nuisance.wrap import OutOfFold

FloatArray = NDArray[np.float64]

SHARE_OF_ERROR_THAT_MATTERS = 0.1


def is_cheap(estimator: Estimator) -> bool:
    """Whether a refit is closed-form algebra: decided by the settings, never by the clock."""
    if isinstance(estimator, LearnedPlugIn):
        return False  # a hundred resamples each
    if estimator.uses_event:
        return False  # models of every interval of time
    return all(isinstance(model, LinearModel | LogisticModel) for model in estimator.learners)


def no_refit(fit: Fit) -> str | None:
    """Why the estimator cannot be fitted again on altered data."""
    if any(isinstance(model, OutOfFold) for model in fit.estimator.learners):
        return "the nuisance predictions were given from outside and would be stale on altered data"
    return None


def no_covariates(fit: Fit) -> str | None:
    """Why another covariate would change nothing."""
    if isinstance(fit.estimator, DifferenceInMeans):
        return "the difference in means uses no covariates"
    if isinstance(fit.estimator, PlugIn | LearnedPlugIn):
        return "the plug-in uses the columns of its expression and no others"
    return no_refit(fit)


def no_placebo(fit: Fit) -> str | None:
    """Why a made-up treatment would say nothing."""
    if fit.sample.instrument is not None:
        return (
            "the instrument does not move a made-up treatment, and without a first stage there is no answer to expect"
        )
    return no_refit(fit)


def lost_from_sight(fit: Fit) -> str | None:
    """Why a column in the place of the outcome, or made of it, would not be one that was seen in part."""
    if fit.sample.event is not None:
        return "the outcome is a time that is not always seen, and another column would need an event of its own"
    return None


def hidden_causes_allowed(fit: Fit) -> str | None:
    """Why a hidden cause of treatment and outcome is nothing to fear."""
    if isinstance(fit.strategy, FrontDoor | Functional):
        return "the strategy allows for hidden causes of treatment and outcome; look at the implications of its graph"
    if isinstance(fit.strategy, Instrument):
        return "the strategy allows for hidden causes of treatment and outcome; ask what else the instrument touches"
    if isinstance(fit.strategy, ProximalPair):
        return "the proxies stand for what is hidden; ask what each proxy could act on, and compare other pairs"
    if isinstance(fit.strategy, Bounds):
        return "the bounds hold whatever is hidden"
    return None


def refit(fit: Fit, sample: Sample, cache: NuisanceCache | None) -> Fit:
    """The same estimator on another sample, with the seed of the fit, hence with the same folds."""
    return fit.estimator.fit_sample(
        sample, fit.question, fit.strategy, rng=fit.result.provenance.seed or 0, cache=cache
    )


def room_for_one_more(covariates: Covariates, name: str) -> Covariates:
    """The covariates with one more column, still empty, to be filled anew before each refit."""
    n, p = covariates.matrix.shape
    matrix = np.empty((n, p + 1))
    matrix[:, :p] = covariates.matrix
    return Covariates(matrix, (*covariates.columns, name), (*covariates.source, name))


def overall_sample(fit: Fit) -> Sample:
    """The sample without its subgroups: a check refits the overall effects only."""
    return replace(fit.sample, subgroups=())


@dataclass(frozen=True, eq=False)
class Effects:
    """The overall effects of the fit."""

    labels: tuple[str, ...]
    value: FloatArray
    std_error: FloatArray

    @classmethod
    def of(cls, fit: Fit) -> Effects:
        """Without the effects of subgroups."""
        result = fit.result
        count = len(result.labels) // (1 + len(fit.sample.subgroups))
        return cls(result.labels[:count], result.value[:count], result.std_error[:count])
