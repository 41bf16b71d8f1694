"""Distributions near a point, from the weights of a forest's rows: quantiles and survival."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import InvalidSetting
from butfor.native import _kernels
from butfor.native.arrays import as_vector, thread_count
from butfor.native.forest import Columns, Forest, sampling_of, units_of

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Curves:
    """A forest with its members, and the outcomes that its weights are put on.

    Attributes:
        forest: grown with `keep_members=True`, of any kind.
        columns: what it was grown on; `event` says which times ended in an event, for survival.
    """

    forest: Forest
    columns: Columns

    def quantiles(
        self, levels: NDArray[Any], covariates: NDArray[Any] | None = None, *, threads: int | None = None
    ) -> FloatArray:
        """The least outcome whose weighted distribution function reaches each level (m × levels).

        Args:
            levels: ascending, between 0 and 1.
            covariates: m × p. Default: the forest's rows, each by the bags without it.

        References:
            Meinshausen 2006 (JMLR 7:983-999); Athey, Tibshirani and Wager 2019 (doi:10.1214/18-AOS1709).
        """
        wanted = _ascending(levels, "levels")
        if wanted[0] <= 0.0 or wanted[-1] >= 1.0:
            raise InvalidSetting(
                f"levels run from {wanted[0]} to {wanted[-1]}; quantiles need 0 < level < 1.", hint="0.5"
            )
        codes, trees, bags = self._near(covariates)
        outcome = self._one_outcome()
        return _kernels.forest_quantiles(codes, trees, _by_rank(outcome, None), bags, wanted, thread_count(threads))

    def survival(
        self,
        times: NDArray[Any],
        covariates: NDArray[Any] | None = None,
        *,
        kaplan_meier: bool = True,
        threads: int | None = None,
    ) -> FloatArray:
        """P(T > t | x) at each time (m × times).

        Args:
            times: ascending.
            covariates: m × p. Default: the forest's rows, each by the bags without it.
            kaplan_meier: Π (1 − d/r) over the weighted deaths d among r at risk; otherwise exp(−Σ d/r), Nelson-Aalen.
        """
        wanted = _ascending(times, "times")
        codes, trees, bags = self._near(covariates)
        outcome = self._one_outcome()
        if self.columns.event is None:
            raise InvalidSetting("event is None; survival needs to know which times are events.", hint="event=flags")
        event = as_vector(self.columns.event, len(outcome), "event")
        rows = _by_rank(outcome, event)
        return _kernels.forest_survival(codes, trees, rows, bags, wanted, kaplan_meier, thread_count(threads))

    def _one_outcome(self) -> FloatArray:
        return as_vector(self.columns.outcome, len(self.forest.outside.value), "outcome")

    def _near(
        self, covariates: NDArray[Any] | None
    ) -> tuple[NDArray[np.uint8], _kernels.CurveTrees, _kernels.CurveBags | None]:
        forest, trees = self.forest, self.forest.trees
        if len(trees.member_end) == 0:
            raise InvalidSetting("The forest kept no members; its curves need them.", hint="keep_members=True")
        stored = _kernels.CurveTrees(
            trees.nodes,
            trees.node_start,
            trees.leaf_start,
            trees.members,
            trees.member_end,
            forest.row_weights,
            forest.growth.bag_size,
        )
        if covariates is not None:
            return forest.encode(covariates), stored, None
        n = len(forest.outside.value)
        unit_rows, unit_start, units = units_of(self.columns.clusters, n)
        sampling = _kernels.ForestSampling(*sampling_of(forest.growth, units, n))
        bags = _kernels.CurveBags(unit_rows, unit_start, sampling, forest.seed)
        return forest.encode(self.columns.covariates), stored, bags


def _ascending(values: NDArray[Any], what: str) -> FloatArray:
    array = np.ascontiguousarray(values, dtype=float)
    if array.ndim != 1 or len(array) == 0 or not np.isfinite(array).all() or (np.diff(array) < 0).any():
        raise InvalidSetting(
            f"{what} are {values!r}; a curve needs finite numbers in ascending order.", hint="sort them"
        )
    return array


def _by_rank(outcome: FloatArray, event: FloatArray | None) -> _kernels.CurveRows:
    order = np.argsort(outcome, kind="stable")
    rank = np.empty(len(order), dtype=np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return _kernels.CurveRows(rank, outcome[order], None if event is None else np.ascontiguousarray(event[order]))
