"""What Newton's method for logistic models needs of the data, for all cross-fitting folds in one pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import InvalidSetting
from butfor.native import _kernels
from butfor.native.arrays import as_codes, as_matrix, as_vector, thread_count

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LogisticPass:
    """Sums over the training rows of each model; q = p + 1, the intercept first.

    Attributes:
        gradient: Σ w (y − μ)(1, x) (models × q).
        hessian: Σ w μ(1 − μ)(1, x)(1, x)' (models × q × q), or None.
        log_likelihood: (models).
    """

    gradient: FloatArray
    hessian: FloatArray | None
    log_likelihood: FloatArray


def logistic_pass(
    matrix: NDArray[Any],
    outcome: NDArray[Any],
    coefficients: NDArray[Any],
    folds: NDArray[Any] | None = None,
    weights: NDArray[Any] | None = None,
    *,
    hessian: bool = True,
    threads: int | None = None,
) -> LogisticPass:
    """Gradient, Hessian and log-likelihood of logistic models with shared rows.

    Args:
        matrix: n × p, without intercept.
        outcome: n values from 0 to 1.
        coefficients: models × (p + 1), the intercept first.
        folds: model k leaves out the rows whose fold is k; None trains every model on all rows.
        weights: n weights, default 1.
    """
    rows = as_matrix(matrix)
    slopes = as_matrix(coefficients)
    n, p = rows.shape
    if slopes.shape[1] != p + 1:
        raise InvalidSetting(
            f"coefficients have {slopes.shape[1]} columns; {p} columns and an intercept need {p + 1}.",
            hint="put the intercept first",
        )
    target = as_vector(outcome, n, "outcome")
    assert target is not None
    gradient, curvature, likelihood = _kernels.logistic_pass(
        rows,
        target,
        as_vector(weights, n, "weights"),
        as_codes(folds, n, len(slopes), "folds"),
        slopes,
        hessian,
        thread_count(threads),
    )
    return LogisticPass(gradient, curvature, likelihood)


def fold_predict(
    matrix: NDArray[Any],
    coefficients: NDArray[Any],
    folds: NDArray[Any] | None = None,
    *,
    probability: bool = False,
    threads: int | None = None,
) -> FloatArray:
    """Each row's linear index by the model of its own fold (the one that did not see it); or its probability.

    Args:
        matrix: n × p, without intercept.
        coefficients: models × (p + 1), the intercept first.
        folds: n codes of models; None uses the only model.
        probability: pass the index through the logistic function.
    """
    rows = as_matrix(matrix)
    slopes = as_matrix(coefficients)
    codes = as_codes(folds, len(rows), len(slopes), "folds")
    return _kernels.fold_predict(rows, slopes, codes, probability, thread_count(threads))
