"""How the nuisances of one fit are learned together: one pair of models, one set of folds, one floor."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from butfor.core.diagnostic import Diagnostic
from butfor.core.errors import InvalidSetting
from butfor.data.sample import Covariates, Sample
from butfor.nuisance.cache import NuisanceCache, frozen
from butfor.nuisance.crossfit import cross_fit_outcome_by_arm, cross_fit_outcome_mean, cross_fit_propensity
from butfor.nuisance.folds import Folds
from butfor.nuisance.learner import Learner
from butfor.nuisance.overlap import lift
from butfor.nuisance.wrap import OutOfFold

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Chances:
    """P(arm | columns) of every row (rows × arms), lifted to the floor, with what there is to say of it."""

    values: FloatArray
    words: str
    notes: tuple[Diagnostic, ...]


@dataclass(frozen=True, eq=False)
class Learning:
    """The models and the folds that every nuisance of one fit shares."""

    outcome_model: Learner
    propensity_model: Learner
    floor: float
    folds: Folds
    seed: int
    cache: NuisanceCache | None

    def __post_init__(self) -> None:
        for model in (self.outcome_model, self.propensity_model):
            if isinstance(model, OutOfFold):
                raise InvalidSetting(
                    "A nuisance model is OutOfFold, which holds the predictions of one nuisance; this method learns "
                    "several with the same model.",
                    hint="give a learner such as LinearModel() or LogisticModel()",
                )

    def chances(self, sample: Sample) -> Chances:
        """P(arm | covariates of the sample)."""
        found = cross_fit_propensity(sample, self.propensity_model, self.folds, self.seed, self.cache)
        lifted, notes = lift(found.values, self.floor)
        given = ", ".join(dict.fromkeys(sample.covariates.source)) or "nothing"
        return Chances(lifted, f"{sample.treatment.name} given {given}: {found.words}", notes)

    def means_by_arm(self, sample: Sample, target: FloatArray) -> FloatArray:
        """E[target | arm, covariates of the sample] (rows × arms)."""
        aimed = _aimed(sample, target)
        return cross_fit_outcome_by_arm(aimed, self.outcome_model, self.folds, self.seed, self.cache).values

    def means(self, sample: Sample, target: FloatArray) -> FloatArray:
        """E[target | covariates of the sample]."""
        aimed = _aimed(sample, target)
        return cross_fit_outcome_mean(aimed, self.outcome_model, self.folds, self.seed, self.cache).values


def _aimed(sample: Sample, target: FloatArray) -> Sample:
    return replace(sample, outcome=frozen(np.ascontiguousarray(target)))


def only(covariates: Covariates, sources: set[str]) -> Covariates:
    """The design matrix of some data columns."""
    keep = [j for j, s in enumerate(covariates.source) if s in sources]
    matrix = frozen(np.ascontiguousarray(covariates.matrix[:, keep]))
    return Covariates(matrix, tuple(covariates.columns[j] for j in keep), tuple(covariates.source[j] for j in keep))
