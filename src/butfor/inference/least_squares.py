"""Least squares for a few columns of interest among many controls: the only regression algebra in the library.

By Frisch, Waugh and Lovell the coefficients of the columns of interest D come from D and y after both were freed
of the intercept and the controls X. What robust inference needs, φ_i = n (D̃'W D̃)⁻¹ d̃_i w_i e_i and the leverage
h_i = w_i (1/Σw + x̃_i'(X̃'W X̃)⁻¹x̃_i + d̃_i'(D̃'W D̃)⁻¹d̃_i), costs one pass each and no n × n or second copy of X.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import Collinear, TooFewRows
from butfor.native.moments import comoments
from butfor.native.projection import project

FloatArray = NDArray[np.float64]

RANK_TOLERANCE = 1e-11


@dataclass(frozen=True, eq=False)
class Controls:
    """Intercept and controls, ready to be partialled out of any number of columns.

    `root` (p × rank) turns centred controls into orthonormal directions: root'X̃'W X̃ root = 1.
    """

    matrix: FloatArray
    weights: FloatArray | None
    mean: FloatArray
    root: FloatArray

    @classmethod
    def of(cls, matrix: FloatArray, weights: FloatArray | None) -> Controls:
        """Controls from a matrix (n × p) and weights."""
        moments = comoments(matrix, weights)
        mean, gram = moments.mean[0], moments.comoment[0]
        scale = np.sqrt(np.maximum(np.diag(gram), 0.0))
        moving = scale > RANK_TOLERANCE * np.maximum(np.abs(mean), 1e-300) * np.sqrt(len(matrix))
        scale = np.where(moving, scale, 1.0)
        correlation = np.where(np.outer(moving, moving), gram / np.outer(scale, scale), 0.0)
        values, vectors = np.linalg.eigh(correlation)
        kept = values > RANK_TOLERANCE * max(len(scale), 1)
        if kept.all() and len(kept):
            # A triangular root, half of it zeros: half of the work for every row.
            root: FloatArray = np.linalg.inv(np.linalg.cholesky(correlation)).T / scale[:, None]
        else:
            root = vectors[:, kept] / np.sqrt(values[kept]) / scale[:, None]
        return cls(matrix, weights, mean, root)

    @property
    def rank(self) -> int:
        """Coefficients of intercept and controls."""
        return self.root.shape[1] + 1

    def project(self, columns: FloatArray) -> Projection:
        """Columns (n × d) freed of intercept and controls, their slopes on the controls, and the leverages."""
        weighted = columns if self.weights is None else columns * self.weights[:, None]
        total = float(len(columns)) if self.weights is None else float(self.weights.sum())
        sums = _column_sums(weighted)
        centre = sums / total
        # Both the columns and the controls are centred before they are multiplied: a large mean costs no digits.
        centred = weighted - (centre if self.weights is None else np.outer(self.weights, centre))
        cross = self.matrix.T @ centred - np.outer(self.mean, _column_sums(centred))
        along = np.asarray(self.root.T @ cross, dtype=np.float64)
        residual, leverage = project(self.matrix, self.mean, self.root, columns, centre, along)
        leverage += 1.0 / total
        return Projection(residual, self.root @ along, leverage)


def _column_sums(columns: FloatArray) -> FloatArray:
    """Sums of a few long columns, pairwise and one column at a time: quicker than along the short axis."""
    return np.array([np.add.reduce(column) for column in columns.T])


@dataclass(frozen=True, eq=False)
class Projection:
    """What controls leave of some columns: residuals (n × d), slopes (p × d), leverages 1/Σw + x̃_i'(X̃'W X̃)⁻¹x̃_i (n)."""

    residual: FloatArray
    slopes: FloatArray
    leverage: FloatArray


@dataclass(frozen=True, eq=False)
class LeastSquares:
    """Coefficients of the columns of interest with what inference and sensitivity analysis need."""

    coefficients: FloatArray
    focus_residual: FloatArray
    residual: FloatArray
    bread: FloatArray
    controls: Controls
    control_leverage: FloatArray

    @property
    def parameters(self) -> int:
        """All coefficients."""
        return self.controls.rank + len(self.coefficients)

    @property
    def df(self) -> float:
        """Rows less coefficients."""
        return float(len(self.residual) - self.parameters)

    @cached_property
    def influence(self) -> FloatArray:
        """φ (n × d)."""
        weights = self.controls.weights
        e = self.residual if weights is None else self.residual * weights
        return (self.focus_residual * e[:, None]) @ (self.bread * len(e))

    @cached_property
    def leverage(self) -> FloatArray:
        """h_i (n)."""
        own = np.einsum("ij,ij->i", self.focus_residual @ self.bread, self.focus_residual)
        h = self.control_leverage + own
        return h if self.controls.weights is None else h * self.controls.weights


def least_squares(
    focus: FloatArray, outcome: FloatArray, controls: FloatArray, weights: FloatArray | None = None
) -> LeastSquares:
    """Regress `outcome` (n) on `focus` (n × d), `controls` (n × p) and an intercept.

    Raises:
        Collinear: when a column of interest is a linear function of the others.
        TooFewRows: when there are no more rows than coefficients.
    """
    prepared = Controls.of(controls, weights)
    freed = prepared.project(np.column_stack([focus, outcome]))
    focus_residual, outcome_residual = np.ascontiguousarray(freed.residual[:, :-1]), freed.residual[:, -1]
    weighted = focus_residual if weights is None else focus_residual * weights[:, None]
    gram = weighted.T @ focus_residual
    _check_focus(focus, gram, weights, prepared.rank)
    bread = np.asarray(np.linalg.inv(gram), dtype=np.float64)
    coefficients = bread @ (weighted.T @ outcome_residual)
    return LeastSquares(
        coefficients,
        focus_residual,
        outcome_residual - focus_residual @ coefficients,
        bread,
        prepared,
        freed.leverage,
    )


def _check_focus(focus: FloatArray, gram: FloatArray, weights: FloatArray | None, rank: int) -> None:
    n, d = focus.shape
    if n <= rank + d:
        raise TooFewRows(
            f"The regression has {n} rows and {rank + d} coefficients; least squares needs more rows.",
            hint="use fewer covariates",
        )
    w = np.ones(n) if weights is None else weights
    spread = np.maximum((w @ focus**2) - (w @ focus) ** 2 / w.sum(), np.finfo(float).tiny)
    normed = gram / np.sqrt(np.outer(spread, spread))
    if np.linalg.eigvalsh(normed)[0] < 1e-10:
        raise Collinear(
            "The treatment is a linear function of the covariates; a regression needs some variation of its own.",
            hint="remove the covariates that define the treatment",
        )
