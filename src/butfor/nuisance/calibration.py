"""Recalibrated probabilities: as often right as they say."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from butfor.nuisance.logistic import LogisticModel

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]

EDGE = 1e-6
GENTLE = LogisticModel(penalty=1e-6)


def calibrate(
    chances: FloatArray, codes: IntArray, folds: IntArray, fold_count: int, weights: FloatArray | None
) -> FloatArray:
    """Probabilities (rows × classes) recalibrated on the log-odds scale, each fold from the other folds.

    Two classes: intercept and slope of the log-odds (Platt 1999). Several: one slope per class by a multinomial logit
    of the log-ratios to the first class.
    """
    return GENTLE.cross_predict(log_odds(chances), codes.astype(float), folds, fold_count, weights)


def log_odds(chances: FloatArray) -> FloatArray:
    """Log-ratios of each class to the first one (rows × (classes − 1)), of probabilities kept away from zero."""
    inside = np.clip(chances, EDGE, 1.0)
    inside /= inside.sum(axis=1, keepdims=True)
    return np.ascontiguousarray(np.log(inside[:, 1:] / inside[:, :1]))
