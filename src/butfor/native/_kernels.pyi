import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]

def comoments(
    rows: FloatArray, weights: FloatArray | None, groups: IntArray | None, group_count: int, threads: int
) -> tuple[FloatArray, FloatArray, FloatArray]: ...
def logistic_pass(
    rows: FloatArray,
    outcome: FloatArray,
    weights: FloatArray | None,
    folds: IntArray | None,
    coefficients: FloatArray,
    with_hessian: bool,
    threads: int,
) -> tuple[FloatArray, FloatArray | None, FloatArray]: ...
def fold_predict(
    rows: FloatArray, coefficients: FloatArray, folds: IntArray | None, probability: bool, threads: int
) -> FloatArray: ...
