"""Columns that weights deal out anew, as if chance had done it, and what the weights add to an influence function."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from butfor.core.diagnostic import Diagnostic
from butfor.core.errors import TooFewRows
from butfor.data.sample import Sample, Treatment
from butfor.estimators.functional.groups import column_codes
from butfor.identify.primal import Fixing
from butfor.nuisance.cache import frozen
from butfor.nuisance.folds import Folds
from butfor.nuisance.learning import Learning, only

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DealtOut:
    """A column z and the weights ρ = π(z) / P(z | given) that make it independent of what came before it.

    Attributes:
        sample: the rows with z in the place of the treatment and `given` as covariates, weighted by what was dealt out
            before.
        policy: π, the shares of the values of z.
        weight: ρ of each row.
        words: the model of z.
    """

    sample: Sample
    learning: Learning
    policy: FloatArray
    weight: FloatArray
    words: str
    notes: tuple[Diagnostic, ...]

    @classmethod
    def of(cls, sample: Sample, fixing: Fixing, learning: Learning, *, groups: int, most_values: int) -> DealtOut:
        """Learn P(z | given) on a sample, and weight for it."""
        codes, notes = column_codes(sample, fixing.node, groups=groups, most_values=most_values)
        levels = tuple(range(int(codes.max()) + 1))
        arms = frozen(codes.astype(np.int32))
        column = Treatment(fixing.node, "arms", frozen(codes.astype(float)), arms, levels, ())
        as_treatment = replace(
            sample, treatment=column, covariates=only(sample.covariates, set(fixing.given)), subgroups=()
        )
        _refuse_rare(column, learning.folds)
        # The floor is meant for two arms; of many groups each has less of a chance, with no want of overlap.
        chances = replace(learning, floor=2.0 * learning.floor / len(levels)).chances(as_treatment)
        base = np.ones(sample.n) if sample.weights is None else sample.weights
        policy = np.bincount(codes, weights=base) / base.sum()
        weight = policy[codes] / chances.values[np.arange(sample.n), codes]
        return cls(as_treatment, learning, policy, weight, chances.words, (*notes, *chances.notes))

    def weighted(self, sample: Sample) -> Sample:
        """The sample in which the column is independent of what came before it."""
        base = np.ones(sample.n) if sample.weights is None else sample.weights
        return replace(sample, weights=frozen(base * self.weight))

    def augmented(self, score: FloatArray) -> FloatArray:
        """The score of the weighted rows as a score of the rows themselves, right if either model of z is.

        With m(z) = E[score | z, given]: ρ (score − m(Z)) + Σ_z π(z) m(z), and what the shares π are uncertain by.
        """
        means = self.learning.means_by_arm(self.sample, score)
        codes = self.sample.treatment.codes
        own = means[np.arange(len(score)), codes]
        by_value = np.average(means, axis=0, weights=self.sample.weights)
        return self.weight * (score - own) + means @ self.policy + by_value[codes] - by_value @ self.policy


def _refuse_rare(column: Treatment, folds: Folds) -> None:
    """Each value needs rows to learn from outside of every fold."""
    table = np.bincount(column.codes * folds.count + folds.codes, minlength=column.arms * folds.count)
    table = table.reshape(column.arms, folds.count)
    outside = (table.sum(axis=1, keepdims=True) - table).min(axis=1)
    rare = int(outside.argmin())
    if outside[rare] < 2:
        raise TooFewRows(
            f"Value number {rare + 1} of {column.name!r} (of {column.arms}) has {int(table[rare].sum())} rows; "
            "weighting by its chances needs at least 2 outside of every fold.",
            hint=f"merge rare values of {column.name!r}, or fewer folds or groups",
        )
