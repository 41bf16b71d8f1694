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

FloatArray = NDArray[np.float64]

RANK_TOLERANCE = 1e-11
ROWS_PER_BLOCK = 8192


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
        moments = comoments(matrix, weights)
        mean, gram = moments.mean[0], moments.comoment[0]
        scale = np.sqrt(np.maximum(np.diag(gram), 0.0))
        moving = scale > RANK_TOLERANCE * np.maximum(np.abs(mean), 1e-300) * np.sqrt(len(matrix))
        scale = np.where(moving, scale, 1.0)
        correlation = np.where(np.outer(moving, moving), gram / np.outer(scale, scale), 0.0)
        values, vectors = np.linalg.eigh(correlation)
        kept = values > RANK_TOLERANCE * max(len(scale), 1)
        root = vectors[:, kept] / np.sqrt(values[kept]) / scale[:, None]
        return cls(matrix, weights, mean, root)

    @property
    def rank(self) -> int:
        return self.root.shape[1] + 1

    def residual(self, columns: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Columns (n × d) freed of intercept and controls, and the slopes on the controls (p × d)."""
        total = len(columns) if self.weights is None else self.weights.sum()
        weighted = columns if self.weights is None else columns * self.weights[:, None]
        centre = weighted.sum(axis=0) / total
        centred = columns - centre
        weighted = centred if self.weights is None else centred * self.weights[:, None]
        cross = self.matrix.T @ weighted - np.outer(self.mean, weighted.sum(axis=0))
        slopes = self.root @ (self.root.T @ cross)
        return centred - (self.matrix @ slopes - self.mean @ slopes), slopes

    def leverage(self) -> FloatArray:
        """1/Σw + x̃_i'(X̃'W X̃)⁻¹x̃_i of each row, before its weight."""
        n = len(self.matrix)
        total = float(n) if self.weights is None else float(self.weights.sum())
        out = np.empty(n)
        shift = self.mean @ self.root
        for start in range(0, n, ROWS_PER_BLOCK):
            block = self.matrix[start : start + ROWS_PER_BLOCK] @ self.root
            block -= shift
            out[start : start + ROWS_PER_BLOCK] = np.einsum("ij,ij->i", block, block)
        return out + 1.0 / total


@dataclass(frozen=True, eq=False)
class LeastSquares:
    """Coefficients of the columns of interest with what inference and sensitivity analysis need."""

    coefficients: FloatArray
    focus_residual: FloatArray
    residual: FloatArray
    bread: FloatArray
    controls: Controls
    control_slopes: FloatArray

    @property
    def parameters(self) -> int:
        return self.controls.rank + len(self.coefficients)

    @property
    def df(self) -> float:
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
        h = self.controls.leverage() + own
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
    columns, slopes = prepared.residual(np.column_stack([focus, outcome]))
    focus_residual, outcome_residual = np.ascontiguousarray(columns[:, :-1]), columns[:, -1]
    weighted = focus_residual if weights is None else focus_residual * weights[:, None]
    gram = weighted.T @ focus_residual
    _check_focus(focus, gram, weights, prepared.rank)
    bread = np.linalg.inv(gram)
    coefficients = bread @ (weighted.T @ outcome_residual)
    return LeastSquares(
        coefficients,
        focus_residual,
        outcome_residual - focus_residual @ coefficients,
        bread,
        prepared,
        slopes[:, -1] - slopes[:, :-1] @ coefficients,
    )


def _check_focus(focus: FloatArray, gram: FloatArray, weights: FloatArray | None, rank: int) -> None:
    n, d = focus.shape
    if n <= rank + d:
        raise TooFewRows(
            f"The regression has {n} rows and {rank + d} coefficients; least squares needs more rows than coefficients.",
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
