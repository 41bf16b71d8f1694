"""Chances to end at each point, given that one is still at risk: counted, or learned from covariates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import NumericalFailure, SeparatedPropensity
from butfor.data.sample import Sample
from butfor.nuisance.boosting import Boosting
from butfor.nuisance.cache import NuisanceCache, frozen, remember
from butfor.nuisance.crossfit import Task, cross_fit_chance
from butfor.nuisance.folds import Folds
from butfor.nuisance.logistic import LogisticModel
from butfor.nuisance.mix import Mix
from butfor.nuisance.spells import Spells
from butfor.nuisance.units import independent_units

FloatArray = NDArray[np.float64]

# An interval of the model needs so many independent ends to be worth one.
ENDS_PER_INTERVAL = 10
# Chances are kept away from 1, where nothing would be left to lose, and logits of rates away from 0.
MOST_CERTAIN = 1.0 - 1e-6
LEAST_RATE = 1e-6


def default_hazard_model() -> Mix:
    """Cross-validated mix of ridge logit and early-stopped boosting."""
    return Mix(learners=(LogisticModel(penalty=None), Boosting()))


@dataclass(frozen=True, eq=False)
class Hazards:
    """Chances to end in each interval of a model, and how an interval's cumulative hazard spreads over its points.

    Attributes:
        chance: rows × intervals; a single row stands for all.
        share: of the interval's cumulative hazard, at each point.
        interval: of each point.
    """

    chance: FloatArray
    share: FloatArray
    interval: NDArray[np.intp]

    def at(self, rows: slice) -> FloatArray:
        """The chances at each point (rows × points, or 1 × points when they are the same for all)."""
        chance = self.chance if len(self.chance) == 1 else self.chance[rows]
        if chance.shape[1] == len(self.interval):
            return chance
        return -np.expm1(np.log1p(-chance)[:, self.interval] * self.share)


@dataclass(frozen=True, eq=False)
class HazardLearning:
    """How hazards are learned: a classifier of who ends, in how many intervals at most, on which folds."""

    model: Any
    intervals: int
    folds: Folds
    seed: int
    cache: NuisanceCache | None

    def by_arm(self, sample: Sample, spells: Spells) -> tuple[tuple[Hazards, ...], str]:
        """The hazards of every arm for all rows, and the models in words."""
        found = [self._of_arm(sample, spells, arm) for arm in range(sample.treatment.arms)]
        return tuple(hazards for hazards, _ in found), found[0][1]

    def _of_arm(self, sample: Sample, spells: Spells, arm: int) -> tuple[Hazards, str]:
        weights = np.ones(sample.n) if sample.weights is None else sample.weights
        own = sample.treatment.codes == arm
        marginal = spells.take(own).hazard(weights[own])
        if sample.covariates.matrix.shape[1] == 0 or not marginal.any():
            return Hazards(marginal[None, :], np.ones(len(marginal)), np.arange(len(marginal))), "shares at each time"
        arrays = (sample.covariates.matrix, sample.treatment.codes, self.folds.codes, sample.weights)
        arrays = (*arrays, frozen(spells.length), frozen(spells.ends))
        words = ("hazards", self.model, repr(self.model), self.intervals, self.folds.count, self.seed, arm)
        return remember(self.cache, words, arrays, lambda: self._learned(sample, spells, own, marginal))

    def _learned(
        self, sample: Sample, spells: Spells, own: NDArray[np.bool_], marginal: FloatArray
    ) -> tuple[Hazards, str]:
        ends = np.flatnonzero(own & spells.ends)
        weight, units = independent_units(sample, ends)
        most = max(1, min(self.intervals, int(units / ENDS_PER_INTERVAL + 1e-9)))
        ended = np.bincount(spells.length[ends] - 1, weights=weight, minlength=spells.points).astype(np.float64)
        interval = _intervals(ended, most)
        cumulative = -np.log1p(-np.minimum(marginal, MOST_CERTAIN))
        total = np.bincount(interval, weights=cumulative).astype(np.float64)
        share = cumulative / total[interval]
        task, rows = _person_intervals(sample, spells, own, (interval, share, total), (self.folds, self.seed))
        try:
            chance, words = cross_fit_chance(self.model, task, rows)
        except SeparatedPropensity as error:
            raise _separated(error.column, (*sample.covariates.columns, "the rate", "time")) from None
        learned = np.clip(chance, 0.0, MOST_CERTAIN).reshape(sample.n, len(total))
        return Hazards(frozen(learned), share, interval), f"{words} in {len(total)} intervals of time"


def _separated(column: int | None, names: Sequence[str]) -> NumericalFailure:
    blame = "" if column is None or column >= len(names) else f", {names[column]!r} most of all"
    return NumericalFailure(
        f"Covariates tell without fail who ends when in some fold{blame}; a logit of hazards needs ends wherever it "
        "looks.",
        hint="LogisticModel(penalty=0.01), or fewer intervals=",
    )


def _intervals(ended: FloatArray, most: int) -> NDArray[np.intp]:
    """The interval of each point, about as much ending in each, and something in all."""
    before = (np.cumsum(ended) - ended) / ended.sum()
    cut = np.floor(most * (before + 1e-9)).astype(int)
    return np.unique(np.minimum(cut, cut[np.flatnonzero(ended)[-1]]), return_inverse=True)[1]


def _person_intervals(
    sample: Sample,
    spells: Spells,
    own: NDArray[np.bool_],
    grid: tuple[NDArray[np.intp], FloatArray, FloatArray],
    split: tuple[Folds, int],
) -> tuple[Task, NDArray[np.bool_]]:
    """One row per unit and interval: does it end there? And which of these rows there is something to learn from.

    A unit that leaves the interval for another reason counts for the part of the hazard that it was exposed to. The
    logit of the arm's own rate stands beside the covariates, so that a logit model has proportional odds, and time.
    """
    interval, share, total = grid
    count = len(total)
    start = np.searchsorted(interval, np.arange(count), side="left")
    stop = np.searchsorted(interval, np.arange(count), side="right")
    passed = np.concatenate([[0.0], np.cumsum(share)])
    length = spells.length[:, None]
    ends = spells.ends[:, None] & (length > start) & (length <= stop)
    exposed = np.where(ends, 1.0, passed[np.clip(length, start, stop)] - passed[start])
    base = np.ones(sample.n) if sample.weights is None else sample.weights
    rate = np.clip(-np.expm1(-total), LEAST_RATE, MOST_CERTAIN)
    time = np.column_stack([np.log(rate) - np.log1p(-rate), np.arange(count) / max(count - 1, 1)])
    columns = time[:, np.ptp(time, axis=0) > 0.0]
    matrix = np.hstack([np.repeat(sample.covariates.matrix, count, axis=0), np.tile(columns, (sample.n, 1))])
    folds = Folds(np.repeat(split[0].codes, count), split[0].count)
    weights = (exposed * base[:, None]).reshape(-1)
    learn = (own[:, None] & (exposed > 1e-9)).reshape(-1)
    return Task(matrix, ends.reshape(-1).astype(float), folds, weights, split[1], 2), learn
