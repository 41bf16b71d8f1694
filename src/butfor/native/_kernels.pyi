from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]
LongArray = NDArray[np.int64]
Codes = NDArray[np.uint8]
Words = NDArray[np.uint64]
RowNumbers = NDArray[np.uint32]
# Effects or means, their variances, and the part of these that more trees would remove; between, noise and bags.
Estimates = tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]
# Nodes, where those of each tree start, leaves, where those of each tree start, members, where those of each leaf end.
Trees = tuple[Words, LongArray, FloatArray, LongArray, IntArray, LongArray]

def comoments(
    rows: FloatArray, weights: FloatArray | None, groups: IntArray | None, group_count: int, threads: int
) -> tuple[FloatArray, FloatArray, FloatArray]: ...
def logistic_sums(
    rows: FloatArray,
    outcome: FloatArray,
    weights: FloatArray | None,
    groups: IntArray | None,
    group_count: int,
    coefficients: FloatArray,
    threads: int,
) -> tuple[FloatArray, FloatArray]: ...
def logistic_gradients(
    rows: FloatArray,
    outcome: FloatArray,
    weights: FloatArray | None,
    folds: IntArray,
    coefficients: FloatArray,
    threads: int,
) -> FloatArray: ...
def fold_predict(
    rows: FloatArray, coefficients: FloatArray, folds: IntArray | None, probability: bool, threads: int
) -> FloatArray: ...
def project(
    rows: FloatArray,
    mean: FloatArray,
    root: FloatArray,
    columns: FloatArray,
    centre: FloatArray,
    slopes: FloatArray,
    threads: int,
) -> tuple[FloatArray, FloatArray]: ...
def forest_cuts(rows: FloatArray) -> tuple[FloatArray, LongArray]: ...
def forest_encode(rows: FloatArray, cuts: FloatArray, start: LongArray) -> Codes: ...

class ForestLimits:
    def __init__(self, least_size: float, alpha: float, imbalance_penalty: float, /) -> None: ...

class ForestGrowth:
    def __init__(self, limits: ForestLimits, features: int, keep_members: bool, /) -> None: ...

class ForestSampling:
    def __init__(self, units: int, splitting: int, estimating: int, /) -> None: ...

class ForestSettings:
    def __init__(
        self,
        growth: ForestGrowth,
        sampling: ForestSampling,
        bags: int,
        bag_size: int,
        seed: int,
        threads: int,
        keep_trees: bool,
        /,
    ) -> None: ...

def forest_train(
    kind: int,
    codes: Codes,
    category: Codes,
    outcome: FloatArray,
    treatment: FloatArray | None,
    instrument: FloatArray | None,
    weights: FloatArray | None,
    unit_rows: RowNumbers | None,
    unit_start: RowNumbers | None,
    settings: ForestSettings,
    progress: Callable[[int], None] | None,
) -> tuple[Estimates, RowNumbers, Trees]: ...
def forest_predict(
    kind: int,
    width: int,
    codes: Codes,
    nodes: Words,
    node_start: LongArray,
    leaves: FloatArray,
    leaf_start: LongArray,
    bag_size: int,
    threads: int,
) -> Estimates: ...
def forest_variance(between: FloatArray, noise: FloatArray, bags: FloatArray, bag_size: float) -> FloatArray: ...
def forest_weights(
    codes: Codes,
    nodes: Words,
    node_start: LongArray,
    leaf_start: LongArray,
    members: IntArray,
    member_end: LongArray,
    weights: FloatArray | None,
    n: int,
    threads: int,
) -> FloatArray: ...

class SlopeTrees:
    def __init__(
        self,
        nodes: Words,
        node_start: LongArray,
        leaf_start: LongArray,
        members: IntArray,
        member_end: LongArray,
        weights: FloatArray | None,
        bag_size: int,
    ) -> None: ...

class SlopeColumns:
    def __init__(
        self, features: FloatArray, outcome: FloatArray, points: FloatArray, penalties: FloatArray
    ) -> None: ...

class SlopeBags:
    def __init__(
        self, unit_rows: RowNumbers | None, unit_start: RowNumbers | None, sample: ForestSampling, seed: int
    ) -> None: ...

def forest_slopes(
    codes: Codes, trees: SlopeTrees, columns: SlopeColumns, bags: SlopeBags | None, threads: int
) -> tuple[FloatArray, FloatArray, FloatArray]: ...

class CurveTrees:
    def __init__(
        self,
        nodes: Words,
        node_start: LongArray,
        leaf_start: LongArray,
        members: IntArray,
        member_end: LongArray,
        weights: FloatArray | None,
        bag_size: int,
    ) -> None: ...

class CurveBags:
    def __init__(
        self, unit_rows: RowNumbers | None, unit_start: RowNumbers | None, sample: ForestSampling, seed: int
    ) -> None: ...

class CurveRows:
    def __init__(self, rank: IntArray, outcome: FloatArray, event: FloatArray | None) -> None: ...

def forest_quantiles(
    codes: Codes, trees: CurveTrees, rows: CurveRows, bags: CurveBags | None, levels: FloatArray, threads: int
) -> FloatArray: ...
def forest_survival(
    codes: Codes,
    trees: CurveTrees,
    rows: CurveRows,
    bags: CurveBags | None,
    times: FloatArray,
    kaplan_meier: bool,
    threads: int,
) -> FloatArray: ...
