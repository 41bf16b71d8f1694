"""What meta-learners learn from: cross-fitted predictions of outcome and treatment, each computed when first asked for.

Effects of the rows of one fold come from models that saw nothing of that fold, at no stage: `without(fold)` are the
nuisances of the other folds alone, cross-fitted among themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from butfor.core.diagnostic import Diagnostic
from butfor.core.errors import TooFewRows
from butfor.data.content import RowArray
from butfor.data.sample import Sample
from butfor.inference.doubly_robust import doubly_robust_scores
from butfor.nuisance.cache import NuisanceCache
from butfor.nuisance.crossfit import (
    CrossFit,
    Task,
    cross_fit_outcome_by_arm,
    cross_fit_outcome_mean,
    cross_fit_propensity,
)
from butfor.nuisance.defaults import default_outcome_model, default_propensity_model
from butfor.nuisance.folds import Folds, take_folds
from butfor.nuisance.overlap import lift
from butfor.nuisance.wrap import OutOfFold

FloatArray = NDArray[np.float64]
RowIndex = NDArray[np.intp]
Value = TypeVar("Value")


@dataclass(frozen=True)
class NuisanceModels:
    """The models of outcome and treatment (None: the default mix), and the least propensity."""

    outcome: Any = None
    propensity: Any = None
    floor: float = 0.01

    @property
    def of_outcome(self) -> Any:
        """The outcome's model."""
        return default_outcome_model() if self.outcome is None else self.outcome

    @property
    def of_treatment(self) -> Any:
        """The treatment's model."""
        return default_propensity_model() if self.propensity is None else self.propensity

    def take(self, rows: RowArray) -> NuisanceModels:
        """The same for these rows: predictions that were given go with their rows."""
        return replace(self, outcome=_given(self.outcome, rows), propensity=_given(self.propensity, rows))


def _given(model: Any, rows: RowArray) -> Any:
    return OutOfFold(np.asarray(model.predictions)[rows]) if isinstance(model, OutOfFold) else model


@dataclass(frozen=True, eq=False)
class Pair:
    """The rows of two arms, as a comparison of their own.

    Attributes:
        rows: which rows of the sample.
        treated: whether each had the first arm.
        share: P(first arm | X, one of the two), out of fold.
    """

    rows: RowIndex
    treated: NDArray[np.bool_]
    share: FloatArray


@dataclass(frozen=True, eq=False)
class Nuisances:
    """Cross-fitted predictions for one sample and its folds."""

    sample: Sample
    folds: Folds
    models: NuisanceModels
    seed: int
    cache: NuisanceCache | None = None
    _known: dict[Hashable, Any] = field(default_factory=dict[Hashable, Any], repr=False)

    @cached_property
    def outcomes(self) -> CrossFit:
        """E[Y | arm, X] (rows × arms)."""
        return cross_fit_outcome_by_arm(self.sample, self.models.of_outcome, self.folds, self.seed, self.cache)

    @cached_property
    def propensity(self) -> CrossFit:
        """P(arm | X) (rows × arms), as modelled."""
        return cross_fit_propensity(self.sample, self.models.of_treatment, self.folds, self.seed, self.cache)

    @cached_property
    def lifted(self) -> tuple[FloatArray, tuple[Diagnostic, ...]]:
        """Propensities no lower than the floor, and what to say of it."""
        return lift(self.propensity.values, self.models.floor)

    @cached_property
    def scores(self) -> FloatArray:
        """Γ (rows × arms)."""
        return doubly_robust_scores(self.sample, self.outcomes.values, self.lifted[0])

    def pair(self, first: int, second: int) -> Pair:
        """The rows of two arms."""
        codes = self.sample.treatment.codes
        rows = np.flatnonzero((codes == first) | (codes == second))
        chances = self.lifted[0][rows]
        share = chances[:, first] / (chances[:, first] + chances[:, second])
        return Pair(rows, codes[rows] == first, share)

    def outcome_mean(self, rows: RowIndex) -> FloatArray:
        """E[Y | X, one of two arms] of the rows of these arms, out of fold."""
        sample, folds, models = self.sample, self.folds, self.models
        if len(rows) < sample.n:
            sample, folds, models = sample.take(rows), take_folds(folds, rows), models.take(rows)
        return cross_fit_outcome_mean(sample, models.of_outcome, folds, self.seed, self.cache).values

    def task(self, target: FloatArray, rows: RowIndex | None = None, weights: FloatArray | None = None) -> Task:
        """A regression on the covariates of these rows (None: all), as the learners' engine takes it.

        Args:
            target, weights: one per row of `rows`; the weights come on top of the sample's.
        """
        matrix, folds, base = self.sample.covariates.matrix, self.folds, self.sample.weights
        if rows is not None and len(rows) < self.sample.n:
            matrix, folds = matrix[rows], take_folds(folds, rows)
            base = None if base is None else base[rows]
        both = weights if base is None else base if weights is None else base * weights
        return Task(matrix, target, folds, both, self.seed)

    def using(self, models: NuisanceModels) -> Nuisances:
        """The same rows and folds with other models, computed once."""
        if models == self.models:
            return self
        return self.remember(models, lambda: Nuisances(self.sample, self.folds, models, self.seed, self.cache))

    def without(self, fold: int) -> Nuisances:
        """The nuisances of all rows outside a fold, from these rows alone, computed once.

        Raises:
            TooFewRows: when an arm has fewer than two rows to learn from.
        """
        return self.remember(fold, lambda: self._without(fold))

    def remember(self, key: Hashable, compute: Callable[[], Value]) -> Value:
        """`compute()`, once per key."""
        if key not in self._known:
            self._known[key] = compute()
        return self._known[key]

    def _without(self, fold: int) -> Nuisances:
        rows = np.flatnonzero(self.folds.codes != fold)
        folds, sample = take_folds(self.folds, rows), self.sample.take(rows)
        treatment = sample.treatment
        table = np.bincount(folds.codes * treatment.arms + treatment.codes, minlength=folds.count * treatment.arms)
        outside = table.reshape(folds.count, -1).sum(axis=0) - table.reshape(folds.count, -1)
        if outside.min() < 2:
            arm = treatment.levels[int(outside.min(axis=0).argmin())]
            raise TooFewRows(
                f"Arm {arm!r} of {treatment.name!r} has {outside.min()} rows to learn from outside of two of "
                f"{self.folds.count} folds; effects of the rows at hand need at least 2.",
                hint="folds=10, or effects of new rows: fit.effect(frame)",
            )
        return Nuisances(sample, folds, self.models.take(rows), self.seed, self.cache)
