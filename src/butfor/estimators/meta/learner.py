"""The one template: average effects by the doubly robust score, effects of units by what each learner makes of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from butfor.core.diagnostic import Diagnostic, Severity
from butfor.core.errors import InvalidSetting, MethodMismatch
from butfor.core.rng import Seed, seed_of
from butfor.data.dataset import open_dataset
from butfor.data.design import design_matrix, design_request
from butfor.data.sample import Sample
from butfor.estimators.base import Estimator, Fit, describe
from butfor.estimators.meta.nuisances import NuisanceModels, Nuisances
from butfor.estimators.meta.targets import EffectModel
from butfor.identify.strategies import Strategy
from butfor.inference.doubly_robust import tilted_effects
from butfor.inference.effects import EffectTable
from butfor.inference.estimate import Estimate
from butfor.nuisance.cache import NuisanceCache
from butfor.nuisance.folds import sample_folds
from butfor.nuisance.learner import Learner
from butfor.question import Question

FloatArray = NDArray[np.float64]

# Effects of the rows at hand take one fold away, and the others must still be cross-fitted among themselves.
FEWEST_FOLDS = 3


@dataclass(frozen=True, kw_only=True)
class EffectLearner(ABC):
    """What all meta-learners share; each adds how it learns effects, and what it is called as an `Estimator`."""

    outcome_model: Learner | None = None
    propensity_model: Learner | None = None
    folds: int = 5
    floor: float = 0.01

    def __post_init__(self) -> None:
        if not 0.0 < self.floor < 0.5:
            raise InvalidSetting(f"floor is {self.floor}; a meta-learner needs 0 < floor < 0.5.", hint="floor=0.01")
        if self.folds < FEWEST_FOLDS:
            raise InvalidSetting(
                f"folds is {self.folds}; effects of rows that no model saw need at least {FEWEST_FOLDS}.",
                hint="folds=5",
            )

    @property
    def learners(self) -> tuple[Learner | None, ...]:
        """The models of outcome and treatment."""
        return (self.outcome_model, self.propensity_model)

    @property
    def models(self) -> NuisanceModels:
        """The nuisance models."""
        return NuisanceModels(self.outcome_model, self.propensity_model, self.floor)

    @abstractmethod
    def learn(self, nuisances: Nuisances) -> EffectModel:
        """Effects at any point of the covariates, from all rows of the nuisances."""

    def held_out(self, nuisances: Nuisances) -> FloatArray:
        """The effect of each row (rows × contrasts), by a model that saw nothing of its fold at any stage."""
        sample, folds = nuisances.sample, nuisances.folds
        out = np.empty((sample.n, len(sample.treatment.contrasts)))
        for fold in range(folds.count):
            inside = np.flatnonzero(folds.codes == fold)
            out[inside] = self.learn(nuisances.without(fold)).predict(sample.covariates.matrix[inside])
        return out

    def fit_sample(
        self,
        sample: Sample,
        question: Question,
        strategy: Strategy,
        *,
        rng: Seed = 0,
        cache: NuisanceCache | None = None,
    ) -> MetaFit:
        """Fit on a clean sample; `rng` decides the folds."""
        assert isinstance(self, Estimator)
        self.check(sample, strategy)
        if not sample.covariates.columns:
            raise InvalidSetting(
                f"The strategy adjusts for no covariate; {self.title} needs some along which effects may differ.",
                hint="name covariates, or use DifferenceInMeans()",
            )
        seed = rng if isinstance(rng, int) else seed_of(rng)
        folds = sample_folds(sample, self.folds, seed, cache)
        nuisances = Nuisances(sample, folds, self.models, seed, cache)
        return _fit(self, nuisances, question, strategy)


@dataclass(frozen=True, eq=False)
class MetaFit(Fit):
    """A fit that knows the effect at every point of the covariates.

    The average effects are there at once; the effects of units are learned when first asked for, so that checks that
    refit the average a hundred times do not pay for them.

    Attributes:
        nuisances: what effects are learned from.
    """

    nuisances: Nuisances | None = None

    def effect(self, new_data: Any = None) -> EffectTable:
        """The effect of each unit for each contrast, without a standard error: a diagnostic says why.

        Args:
            new_data: a frame, file or table with the covariates. Default: the rows of the fit, each by a model that
                saw nothing of its fold (that takes a fit per fold).
        """
        if new_data is None:
            found = self._held_out
        else:
            covariates = self.sample.covariates
            rows = open_dataset(new_data).read(design_request(covariates))
            found = self.model.predict(design_matrix(rows, covariates))
        return EffectTable(self.sample.treatment.terms, found, diagnostics=(_no_std_error(self.estimator.title),))

    @cached_property
    def model(self) -> EffectModel:
        """Effects at any point of the covariates, from all rows."""
        learner, nuisances = self._learning()
        return learner.learn(nuisances)

    @cached_property
    def _held_out(self) -> FloatArray:
        learner, nuisances = self._learning()
        return learner.held_out(nuisances)

    def _learning(self) -> tuple[EffectLearner, Nuisances]:
        if self.nuisances is None or not isinstance(self.estimator, EffectLearner):
            raise MethodMismatch(
                f"The fit is of {self.estimator.title}; effects of units need a meta-learner.", hint="DRLearner()"
            )
        return self.estimator, self.nuisances


def _no_std_error(title: str) -> Diagnostic:
    return Diagnostic(
        "no-standard-error-of-units",
        Severity.NOTE,
        f"{title}: effects of single units come without a standard error, because nothing is known of how fast an "
        "arbitrary learner approaches them. group_effects and best_linear_predictor of the fit have valid intervals.",
    )


def _fit(learner: EffectLearner, nuisances: Nuisances, question: Question, strategy: Strategy) -> MetaFit:
    assert isinstance(learner, Estimator)
    sample = nuisances.sample
    outcomes, (propensity, notes) = nuisances.outcomes.values, nuisances.lifted
    labels, value, influence = tilted_effects(sample, question.estimand, nuisances.scores, outcomes, propensity)
    residual = sample.outcome - outcomes[np.arange(sample.n), sample.treatment.codes]
    estimate = Estimate(
        labels=labels,
        value=value,
        influence=influence,
        estimand=question.estimand,
        **describe(learner, sample, strategy, nuisances.seed),
    )
    fit = MetaFit(
        learner,
        sample,
        question,
        strategy,
        estimate,
        propensity=propensity,
        outcomes=outcomes,
        scores=nuisances.scores,
        residual=np.repeat(residual[:, None], len(sample.treatment.contrasts), axis=1),
        nuisance_summary=(
            f"outcome given treatment and covariates: {nuisances.outcomes.words}",
            f"treatment given covariates: {nuisances.propensity.words}",
        ),
        nuisances=nuisances,
    )
    found = fit.with_diagnostics(*notes)
    assert isinstance(found, MetaFit)
    return found
