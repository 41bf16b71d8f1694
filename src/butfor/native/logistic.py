"""What Newton's method for logistic models needs of the data, for all cross-fitting folds in one pass."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import InvalidSetting
from butfor.native import _kernels
from butfor.native.arrays import (
    as_codes,
    as_coefficients,
    as_groups,
    as_matrix,
    as_vector,
    as_weights,
    check_finite,
    thread_count,
)

FloatArray = NDArray[np.float64]


def logistic_sums(
    matrix: NDArray[Any],
    outcome: NDArray[Any],
    coefficients: NDArray[Any],
    weights: NDArray[Any] | None = None,
    groups: NDArray[Any] | None = None,
    group_count: int = 1,
    *,
    threads: int | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Gradient Σ w (y − μ)(1, x) and Hessian Σ w μ(1 − μ)(1, x)(1, x)' of a logit by group, at one set of coefficients.

    Args:
        matrix: n × p, without intercept.
        outcome: n values from 0 to 1.
        coefficients: p + 1, the intercept first.
        weights: n weights, default 1.
        groups: n codes from 0 to `group_count` − 1; default one group.

    Returns:
        Gradients (groups × (p + 1)) and Hessians (groups × (p + 1) × (p + 1)).
    """
    rows = as_matrix(matrix)
    n, p = rows.shape
    slopes = as_coefficients(np.atleast_2d(coefficients), p)
    if len(slopes) != 1:
        raise InvalidSetting(f"coefficients hold {len(slopes)} models; these sums need one.", hint="coefficients[0]")
    gradients, hessians = _kernels.logistic_sums(
        rows,
        as_vector(outcome, n, "outcome"),
        as_weights(weights, n),
        as_groups(groups, n, group_count),
        group_count,
        slopes[0],
        thread_count(threads),
    )
    check_finite(gradients, hessians)
    return gradients, hessians


def logistic_gradients(
    matrix: NDArray[Any],
    outcome: NDArray[Any],
    coefficients: NDArray[Any],
    folds: NDArray[Any],
    weights: NDArray[Any] | None = None,
    *,
    threads: int | None = None,
) -> FloatArray:
    """Gradients (models × (p + 1)) of logits that share their rows; model k leaves out the rows whose fold is k.

    Args:
        matrix: n × p, without intercept.
        outcome: n values from 0 to 1.
        coefficients: models × (p + 1), the intercept first.
        folds: n codes.
        weights: n weights, default 1.
    """
    rows = as_matrix(matrix)
    n, p = rows.shape
    slopes = as_coefficients(coefficients, p)
    gradients = _kernels.logistic_gradients(
        rows,
        as_vector(outcome, n, "outcome"),
        as_weights(weights, n),
        as_codes(folds, n, len(slopes), "folds"),
        slopes,
        thread_count(threads),
    )
    check_finite(gradients)
    return gradients


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
    slopes = as_coefficients(coefficients, rows.shape[1])
    if folds is None and len(slopes) != 1:
        raise InvalidSetting(
            f"coefficients hold {len(slopes)} models; without folds a prediction needs one.", hint="folds=codes"
        )
    codes = None if folds is None else as_codes(folds, len(rows), len(slopes), "folds")
    return _kernels.fold_predict(rows, slopes, codes, probability, thread_count(threads))
