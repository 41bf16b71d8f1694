"""Two-stage least squares: a regression whose columns may share hidden causes with the outcome."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import Collinear, NumericalFailure, TooFewRows
from butfor.inference.least_squares import Controls, LeastSquares

FloatArray = NDArray[np.float64]
# Columns whose instruments explain less than this share of them (or of each other) are not explained at all.
SINGULAR = 1e-10


@dataclass(frozen=True, eq=False)
class TwoStage:
    """The second stage, and the slopes of the controls in it.

    Attributes:
        second: coefficients of exogenous and endogenous columns, in this order, with their influence and leverage; its
            residuals are those of the columns themselves, not of what the instruments explain of them.
        slopes: of the controls.
    """

    second: LeastSquares
    slopes: FloatArray


def two_stage(
    exogenous: FloatArray,
    endogenous: FloatArray,
    instruments: FloatArray,
    outcome: FloatArray,
    controls: Controls,
) -> TwoStage:
    """Regress the outcome (n) on exogenous (n × d) and endogenous (n × w) columns, controls and an intercept.

    β = (X̂'W X̂)⁻¹ X̂'W y, where X̂ is what exogenous columns, instruments (n × z) and controls explain of the columns, and
    φ_i = n (X̂'W X̂)⁻¹ x̂_i w_i (y_i − x_i'β).

    Raises:
        TooFewRows: when there are no more rows than coefficients.
        Collinear: when an exogenous column is a linear function of the others and the controls.
        NumericalFailure: when the instruments do not tell the endogenous columns apart.
    """
    n, d, w = len(outcome), exogenous.shape[1], endogenous.shape[1]
    most = controls.rank + d + max(w, instruments.shape[1])
    if n <= most:
        raise TooFewRows(
            f"The regressions have {n} rows and up to {most} coefficients; two-stage least squares needs more rows.",
            hint="use fewer covariates",
        )
    freed = controls.project(np.column_stack([exogenous, endogenous, instruments, outcome]))
    clean = freed.residual
    columns, y = clean[:, : d + w], clean[:, -1]
    known = np.ascontiguousarray(np.hstack([clean[:, :d], clean[:, d + w : -1]]))
    unexplained = Controls.of(known, controls.weights).project(np.ascontiguousarray(columns[:, d:])).residual
    fitted = np.hstack([columns[:, :d], columns[:, d:] - unexplained])
    weighted = fitted if controls.weights is None else fitted * controls.weights[:, None]
    gram = weighted.T @ fitted
    _check(np.hstack([exogenous, endogenous]), gram, controls.weights, d)
    bread = np.asarray(np.linalg.inv(gram), dtype=np.float64)
    coefficients = bread @ (weighted.T @ y)
    second = LeastSquares(coefficients, fitted, y - columns @ coefficients, bread, controls, freed.leverage)
    return TwoStage(second, freed.slopes[:, -1] - freed.slopes[:, : d + w] @ coefficients)


def _check(columns: FloatArray, gram: FloatArray, weights: FloatArray | None, d: int) -> None:
    """Refuse columns of which controls and instruments explain all or nothing; the first d are exogenous."""
    w = np.ones(len(columns)) if weights is None else weights
    size = np.sqrt(np.maximum(w @ columns**2 - (w @ columns) ** 2 / w.sum(), np.finfo(float).tiny))
    normed = gram / size / size[:, None]
    if d and np.linalg.eigvalsh(normed[:d, :d])[0] < SINGULAR:
        raise Collinear(
            "The treatment is a linear function of the covariates; a regression needs some variation of its own.",
            hint="remove the covariates that define the treatment",
        )
    if np.linalg.eigvalsh(normed)[0] < SINGULAR:
        raise NumericalFailure(
            "The instruments do not tell the columns apart that they stand for; two-stage least squares needs as many "
            "that move them, each in a way of its own.",
            hint="add instruments, or use fewer columns that need them",
        )


def first_stage(endogenous: FloatArray, instruments: FloatArray, controls: Controls) -> FloatArray:
    """How strongly the instruments move each endogenous column given the other ones: a robust F for each.

    With one endogenous column it is the Wald statistic of all instruments over their number; with several the column is
    first freed of the others by two-stage least squares, which costs as many degrees of freedom (Sanderson and
    Windmeijer 2016, doi:10.1016/j.jeconom.2015.06.004).
    """
    w = endogenous.shape[1]
    clean = controls.project(np.hstack([endogenous, instruments])).residual
    columns, known = clean[:, :w], np.ascontiguousarray(clean[:, w:])
    own = Controls.of(known, controls.weights)
    explained = columns - own.project(np.ascontiguousarray(columns)).residual
    basis = (known - own.mean) @ own.root
    weights = np.ones(len(columns)) if controls.weights is None else controls.weights
    found = np.empty(w)
    for j in range(w):
        others = [k for k in range(w) if k != j]
        half = np.sqrt(weights)[:, None]
        slopes = np.linalg.lstsq(explained[:, others] * half, explained[:, j] * half[:, 0], rcond=None)[0]
        left = columns[:, j] - columns[:, others] @ slopes
        coefficients = basis.T @ (weights * left)
        residual = left - basis @ coefficients
        scores = basis * (weights * residual)[:, None]
        spread = scores.T @ scores
        free = max(basis.shape[1] - len(others), 1)
        found[j] = float(coefficients @ np.linalg.pinv(spread, hermitian=True) @ coefficients) / free
    return found
