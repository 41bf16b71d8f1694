import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]

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
