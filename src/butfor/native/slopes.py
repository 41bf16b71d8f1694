"""Effects of a causal forest that may tilt near a point: arrays in, arrays out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import InvalidSetting
from butfor.native import _kernels
from butfor.native.arrays import as_matrix, as_vector, check_finite, thread_count
from butfor.native.forest import Columns, Forest, Kind, sampling_of, units_of

FloatArray = NDArray[np.float64]

MOST_SLOPES = 64


@dataclass(frozen=True, eq=False)
class SlopeEstimates:
    """Effects at m points under L sets of penalties; NaN where there are none.

    Attributes:
        value: m × L.
        variance, monte_carlo: m, of the effects under the last set, see `PointEstimates`.
    """

    value: FloatArray
    variance: FloatArray
    monte_carlo: FloatArray


@dataclass(frozen=True, eq=False)
class Slopes:
    """A causal forest with what its effects may tilt along.

    Near x the effect is a plane, τ + Σ β_j (z_j − z_j(x)), fitted by least squares to the rows that share leaves with
    x, with a penalty Var(T) Σ λ_j β_j²; what the plane does not follow is left to the leaves.

    Attributes:
        forest: with its members kept.
        columns: what it was grown on.
        along: n × k columns with standard deviation one or so, and no missing values.
    """

    forest: Forest
    columns: Columns
    along: FloatArray

    def outside(self, penalties: FloatArray, *, threads: int | None = None) -> SlopeEstimates:
        """The effects of the rows that the forest was grown on, each by the bags without it.

        Args:
            penalties: L × k, positive.
        """
        n = len(self.along)
        unit_rows, unit_start, units = units_of(self.columns.clusters, n)
        sampling = _kernels.ForestSampling(*sampling_of(self.forest.growth, units, n))
        bags = _kernels.SlopeBags(unit_rows, unit_start, sampling, self.forest.seed)
        return self._solve(self.columns.covariates, self.along, penalties, bags, threads)

    def at(
        self, covariates: FloatArray, along: FloatArray, penalties: FloatArray, *, threads: int | None = None
    ) -> SlopeEstimates:
        """The effects at new points, by all trees.

        Args:
            covariates: m × p in the order of the columns that the forest was grown on.
            along: m × k, measured like those of the rows.
            penalties: L × k, positive.
        """
        return self._solve(covariates, along, penalties, None, threads)

    def _solve(
        self,
        covariates: FloatArray,
        along: FloatArray,
        penalties: FloatArray,
        bags: _kernels.SlopeBags | None,
        threads: int | None,
    ) -> SlopeEstimates:
        forest, rows = self.forest, as_matrix(self.along, "along")
        if forest.kind is not Kind.CAUSAL or len(forest.trees.member_end) == 0:
            raise InvalidSetting(
                f"The forest is {forest.kind.name.lower()} and keeps {len(forest.trees.members):,} members; effects "
                "with slopes need a causal one with members.",
                hint="grow_forest(Kind.CAUSAL, …, keep_members=True)",
            )
        points, sets = as_matrix(along, "along"), as_matrix(penalties, "penalties")
        self._check(rows, points, sets, len(covariates))
        # Leaves average products of columns whose spread is about one, whatever the units.
        outcome, outcome_unit = _scaled(as_vector(self.columns.outcome, len(rows), "outcome"))
        treatment, treatment_unit = _scaled(as_vector(np.asarray(self.columns.treatment), len(rows), "treatment"))
        trees = forest.trees
        value, variance, monte_carlo = _kernels.forest_slopes(
            forest.encode(covariates),
            _kernels.SlopeTrees(
                trees.nodes,
                trees.node_start,
                trees.leaf_start,
                trees.members,
                trees.member_end,
                forest.row_weights,
                forest.growth.bag_size,
            ),
            _kernels.SlopeColumns(
                np.column_stack([np.ones(len(rows)), treatment, treatment[:, None] * rows]),
                outcome,
                np.column_stack([np.zeros(len(points)), np.ones(len(points)), points]),
                np.column_stack([np.zeros((len(sets), 2)), sets]),
            ),
            bags,
            thread_count(threads),
        )
        unit = outcome_unit / treatment_unit
        return SlopeEstimates(unit * value, unit**2 * variance, unit**2 * monte_carlo)

    @staticmethod
    def _check(rows: FloatArray, points: FloatArray, penalties: FloatArray, count: int) -> None:
        k = rows.shape[1]
        if not 1 <= k <= MOST_SLOPES or points.shape != (count, k) or penalties.shape[1] != k or len(penalties) == 0:
            raise InvalidSetting(
                f"Slopes have shapes {rows.shape}, {points.shape} and {penalties.shape}; effects with slopes need 1 to "
                f"{MOST_SLOPES} columns, the same in each.",
                hint="choose the columns that matter most",
            )
        if not (np.isfinite(penalties).all() and penalties.min() > 0.0):
            raise InvalidSetting(
                f"The least penalty is {penalties.min():g}; effects with slopes need positive ones.", hint="0.1"
            )
        check_finite(rows.sum(axis=0), points.sum(axis=0))


def _scaled(values: FloatArray) -> tuple[FloatArray, float]:
    largest = float(np.abs(values).max(initial=0.0)) or 1.0
    unit = largest * float(np.sqrt(np.mean(np.square(values / largest)))) or 1.0
    return values / unit, unit
