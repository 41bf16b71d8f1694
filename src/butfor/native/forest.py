"""Generalised random forests: arrays in, arrays out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import InvalidSetting, TooFewRows
from butfor.native import _kernels
from butfor.native.arrays import as_codes, thread_count
from butfor.native.forest_bins import Binning, ByteArray
from butfor.native.forest_columns import Columns, Kind, Standard, as_covariates
from butfor.native.forest_points import Joint, PointEstimates

__all__ = [
    "Binning",
    "Columns",
    "Forest",
    "Growth",
    "Joint",
    "Kind",
    "PointEstimates",
    "Progress",
    "Trees",
    "grow_forest",
]

FloatArray = NDArray[np.float64]

MOST_SPLIT_ROWS = 2**26 - 1
MOST_WEIGHTS = 2**28
FEWEST_ROWS = 8

Progress = Callable[[int, int], None]
"""Called with the trees done so far and all there will be; it may raise to stop."""


@dataclass(frozen=True, kw_only=True)
class Growth:
    """How trees are grown.

    Args:
        trees: how many; rounded up to whole bags.
        bag_size: trees that share a half of the rows; the spread within and between bags is the variance.
            With 1 there are no variances, and `subsample` may exceed one half.
        subsample: share of the rows (or clusters) that a tree sees.
        honesty: share of these that choose no splits but make the estimates; 0 lets all rows do both.
        features: expected number of features tried per split (Poisson); default ⌈√p⌉ + 20.
        min_node_size: rows that each child must keep; of a treatment or instrument, on either side of its mean.
        alpha: share of a node's information that each child must keep.
        imbalance_penalty: what a split pays for children of unequal information.
    """

    trees: int = 2000
    bag_size: int = 2
    subsample: float = 0.5
    honesty: float = 0.5
    features: int | None = None
    min_node_size: int = 5
    alpha: float = 0.05
    imbalance_penalty: float = 0.0

    def __post_init__(self) -> None:
        most = 0.5 if self.bag_size > 1 else 1.0
        rules = (
            (self.trees >= 1, "trees", self.trees, "1 or more", "trees=2000"),
            (self.bag_size >= 1, "bag_size", self.bag_size, "1 or more", "bag_size=2"),
            (0.0 < self.subsample <= most, "subsample", self.subsample, f"0 < subsample ≤ {most}", "subsample=0.5"),
            (0.0 <= self.honesty < 1.0, "honesty", self.honesty, "0 ≤ honesty < 1", "honesty=0.5"),
            (self.features is None or self.features >= 1, "features", self.features, "1 or more", "features=None"),
            (self.min_node_size >= 1, "min_node_size", self.min_node_size, "1 or more", "min_node_size=5"),
            (0.0 <= self.alpha < 0.5, "alpha", self.alpha, "0 ≤ alpha < 0.5", "alpha=0.05"),
            (0.0 <= self.imbalance_penalty < np.inf, "imbalance_penalty", self.imbalance_penalty, "0 or more", "0.0"),
        )
        for holds, name, value, rule, hint in rules:
            if not holds:
                raise InvalidSetting(f"{name} is {value}; a forest needs {rule}.", hint=hint)

    @property
    def bags(self) -> int:
        """How many bags the trees are in."""
        return -(-self.trees // self.bag_size)


@dataclass(frozen=True, eq=False)
class Trees:
    """Trees in flat arrays: tree t has nodes `node_start[t]` to `node_start[t + 1]`, and leaves likewise.

    A node is one 64-bit word, and so is each quarter of a set of categories (see `cpp/forest/tree.hpp`). `leaves` holds
    the average statistics of each leaf in units of the outcome's and treatment's standard deviation. `members` are the
    rows behind each leaf, if kept.
    """

    nodes: NDArray[np.uint64]
    node_start: NDArray[np.int64]
    leaves: FloatArray
    leaf_start: NDArray[np.int64]
    members: NDArray[np.int32]
    member_end: NDArray[np.int64]

    @property
    def count(self) -> int:
        """How many trees are kept."""
        return len(self.node_start) - 1


@dataclass(frozen=True, eq=False)
class Forest:
    """A grown forest.

    Attributes:
        outside: estimates for the rows it was grown on, each by the trees of bags without it.
        split_counts: splits by depth and feature (8 × p).
        shift, scale: original estimate = shift + scale · estimate of the standardised columns.
        row_weights: sampling weights of the rows, if any.
    """

    kind: Kind
    growth: Growth
    binning: Binning
    outside: PointEstimates
    split_counts: NDArray[np.uint32]
    trees: Trees
    shift: FloatArray
    scale: FloatArray
    seed: int
    row_weights: FloatArray | None

    def predict(self, covariates: NDArray[Any], *, threads: int | None = None) -> PointEstimates:
        """Estimates at new points, by all trees.

        Args:
            covariates: m × p in the order of the columns that the forest was grown on.

        Raises:
            InvalidSetting: for another number of columns, or a forest whose trees were not kept.
        """
        if self.trees.count == 0:
            raise InvalidSetting("The forest kept 0 trees; a prediction needs them.", hint="keep_trees=True")
        codes = self.encode(covariates)
        found = _kernels.forest_predict(
            int(self.kind),
            len(self.scale),
            codes,
            self.trees.nodes,
            self.trees.node_start,
            self.trees.leaves,
            self.trees.leaf_start,
            self.growth.bag_size,
            thread_count(threads),
        )
        return PointEstimates.of(found, self.shift, self.scale, self.growth.bag_size)

    def weights(self, covariates: NDArray[Any], *, threads: int | None = None) -> FloatArray:
        """α (m × n): how much each row counts at each point; every point's weights sum to one.

        Raises:
            InvalidSetting: for a forest whose members were not kept, or more weights than memory should hold.
        """
        codes, n = self.encode(covariates), len(self.outside.value)
        if len(self.trees.member_end) == 0:
            raise InvalidSetting("The forest kept no members; weights need them.", hint="keep_members=True")
        if codes.shape[1] * n > MOST_WEIGHTS:
            raise InvalidSetting(
                f"{codes.shape[1]:,} points × {n:,} rows are {codes.shape[1] * n:,} weights; at most {MOST_WEIGHTS:,} "
                "are made at once.",
                hint="ask about fewer points at a time",
            )
        trees = self.trees
        return _kernels.forest_weights(
            codes,
            trees.nodes,
            trees.node_start,
            trees.leaf_start,
            trees.members,
            trees.member_end,
            self.row_weights,
            n,
            thread_count(threads),
        )

    def encode(self, covariates: NDArray[Any]) -> ByteArray:
        """The bins of points (p × m)."""
        matrix = as_covariates(covariates)
        if matrix.shape[1] != self.binning.columns:
            raise InvalidSetting(
                f"covariates have {matrix.shape[1]} columns; the forest was grown on {self.binning.columns}.",
                hint="give the same columns in the same order",
            )
        return self.binning.encode(matrix)

    def importance(self) -> FloatArray:
        """Share of the splits on each feature (p); those at depth d = 0 … 3 count (1 + d)^−2."""
        counts = self.split_counts[:4].astype(float)
        share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
        decay = (1.0 + np.arange(4.0)) ** -2.0
        total = (share * decay[:, None]).sum(axis=0)
        return total / total.sum() if total.sum() > 0 else total


def _in_trees(progress: Progress, growth: Growth) -> Callable[[int], None]:
    """The kernel counts bags; users count trees."""

    def told(bags: int) -> None:
        progress(bags * growth.bag_size, growth.bags * growth.bag_size)

    return told


def grow_forest(
    kind: Kind,
    columns: Columns,
    growth: Growth | None = None,
    *,
    seed: int = 0,
    threads: int | None = None,
    keep_trees: bool = True,
    keep_members: bool = False,
    progress: Progress | None = None,
) -> Forest:
    """Grow a forest; the result is the same to the bit for any number of threads.

    Args:
        keep_trees: whether new points will be asked about.
        keep_members: whether the weights of rows will be asked for.

    Raises:
        InvalidSetting: settings or shapes that do not fit.
        MissingValues, InfiniteValues: in the outcome, treatment or instrument (NaN is fine in covariates).
        ConstantColumn: a treatment or instrument without variation.
        Collinear: a treatment that is a combination of the others.
        TooFewRows: fewer rows or clusters than two trees can share.

    References:
        Athey, Tibshirani and Wager 2019 (doi:10.1214/18-AOS1709); Wager and Athey 2018
        (doi:10.1080/01621459.2017.1319839).
    """
    growth = growth or Growth()
    matrix = as_covariates(columns.covariates)
    n = len(matrix)
    unit_rows, unit_start, units = units_of(columns.clusters, n)
    sampling = _kernels.ForestSampling(*sampling_of(growth, units, n))
    standard = Standard.of(kind, columns, n)
    if not 0 <= seed < 2**64:
        raise InvalidSetting(f"seed is {seed}; a forest needs 0 ≤ seed < 2^64.", hint="seed=0")
    features = growth.features or math.ceil(math.sqrt(matrix.shape[1])) + 20
    limits = _kernels.ForestLimits(float(growth.min_node_size), growth.alpha, growth.imbalance_penalty)
    settings = _kernels.ForestSettings(
        _kernels.ForestGrowth(limits, features, keep_members),
        sampling,
        growth.bags,
        growth.bag_size,
        seed,
        thread_count(threads),
        keep_trees or keep_members,
    )
    binning = Binning.of(matrix, columns.categories or ())
    done = None if progress is None else _in_trees(progress, growth)
    found, split_counts, trees = _kernels.forest_train(
        int(kind),
        binning.encode(matrix),
        binning.category,
        standard.outcome,
        standard.treatment,
        standard.instrument,
        standard.weights,
        unit_rows,
        unit_start,
        settings,
        done,
    )
    return Forest(
        kind=kind,
        growth=growth,
        binning=binning,
        outside=PointEstimates.of(found, standard.shift, standard.scale, growth.bag_size),
        split_counts=split_counts,
        trees=Trees(*trees),
        shift=standard.shift,
        scale=standard.scale,
        seed=seed,
        row_weights=standard.weights,
    )


def units_of(clusters: NDArray[Any] | None, n: int) -> tuple[NDArray[np.uint32] | None, NDArray[np.uint32] | None, int]:
    """Rows of each cluster one after the other, where each cluster starts, and how many units can be drawn."""
    if clusters is None:
        return None, None, n
    codes = as_codes(clusters, n, int(np.max(clusters, initial=0)) + 1, "clusters")
    _, dense = np.unique(codes, return_inverse=True)
    rows = np.argsort(dense, kind="stable").astype(np.uint32)
    start = np.concatenate([[0], np.cumsum(np.bincount(dense))]).astype(np.uint32)
    return rows, start, len(start) - 1


def sampling_of(growth: Growth, units: int, n: int) -> tuple[int, int, int]:
    """Units per bag, units per tree, and how many of a tree's units choose its splits."""
    in_tree = round(growth.subsample * units)
    in_bag = max(units // 2, 1) if growth.bag_size > 1 else in_tree
    in_tree = min(in_tree, in_bag)
    to_split = in_tree - round(growth.honesty * in_tree)
    if n < FEWEST_ROWS or units < 4 or to_split < 1 or (growth.honesty > 0.0 and to_split == in_tree):
        raise TooFewRows(
            f"The sample has {n:,} rows in {units:,} units; a forest whose trees see {growth.subsample:.0%} of them "
            f"needs at least {FEWEST_ROWS} rows and 4 units.",
            hint="collect more rows, or use a linear model",
        )
    if (to_split if units == n else n) > MOST_SPLIT_ROWS:
        raise InvalidSetting(
            f"A tree would split {to_split:,} units; a forest needs at most {MOST_SPLIT_ROWS:,} rows per tree.",
            hint="lower subsample",
        )
    return in_bag, in_tree, to_split
