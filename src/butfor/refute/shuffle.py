"""Who could have been treated in whose place: the permutations that a placebo treatment draws from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from butfor.data.sample import Sample, Treatment
from butfor.identify.strategies import Randomization, Strategy

IntArray = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Shuffle:
    """Permutations of the treatment between the units that it was assigned to.

    Attributes:
        first: a row of each unit.
        unit: the unit of each row; None when each row is a unit.
        stratum: of each unit; None when all units are exchangeable.
    """

    treatment: Treatment
    first: IntArray
    unit: IntArray | None
    stratum: IntArray | None

    @classmethod
    def of(cls, sample: Sample, strategy: Strategy) -> Shuffle:
        """Whole clusters where the treatment was given to clusters; within strata where chance worked within strata."""
        stratum = _strata(sample, strategy)
        cluster = sample.cluster
        if cluster is None or not _constant_within(sample.treatment.values, cluster.codes, cluster.count):
            return cls(sample.treatment, np.arange(sample.n), None, stratum)
        first = _first_rows(cluster.codes, cluster.count)
        if stratum is not None:
            whole = _constant_within(stratum.astype(float), cluster.codes, cluster.count)
            stratum = stratum[first] if whole else None
        return cls(sample.treatment, first, cluster.codes.astype(np.intp), stratum)

    def draw(self, rng: np.random.Generator) -> Treatment:
        """The treatment of another unit for every unit."""
        count = len(self.first)
        if self.stratum is None:
            source = rng.permutation(count)
        else:
            source = np.empty(count, dtype=np.intp)
            source[np.argsort(self.stratum, kind="stable")] = np.lexsort((rng.random(count), self.stratum))
        rows = self.first[source if self.unit is None else source[self.unit]]
        if self.treatment.kind == "amount":
            return self.treatment.with_values(self.treatment.values[rows])
        return self.treatment.with_codes(self.treatment.codes[rows])


def _strata(sample: Sample, strategy: Strategy) -> IntArray | None:
    if not isinstance(strategy, Randomization) or not strategy.within:
        return None
    columns = [j for j, source in enumerate(sample.covariates.source) if source in strategy.within]
    return np.unique(sample.covariates.matrix[:, columns], axis=0, return_inverse=True)[1].reshape(-1)


def _first_rows(codes: NDArray[np.int32], count: int) -> IntArray:
    first = np.empty(count, dtype=np.intp)
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    return first


def _constant_within(values: NDArray[np.float64], codes: NDArray[np.int32], count: int) -> bool:
    return bool(np.array_equal(values, values[_first_rows(codes, count)][codes]))
