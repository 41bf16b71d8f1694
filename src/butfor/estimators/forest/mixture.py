"""How far effects lean on slopes, or on the average effect, away from the plain forest: the R-loss out of bag says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from butfor.native.forest import Columns
from butfor.nuisance.mix import simplex_minimum

FloatArray = NDArray[np.float64]

# What leads away from the plain forest must lower the R-loss by the square of this many standard errors before it
# counts, and does so by degrees: at two times that gain its share is three quarters, at four times nearly all.
CONVINCING = 8.0**0.5


@dataclass(frozen=True, eq=False)
class Mixture:
    """An average of the average effect, the plain forest and its slopes.

    Attributes:
        average: the effect that would be the same for all, with the least R-loss.
        shares: of the average effect, of the plain forest, of the slopes under each penalty; they sum to one.
    """

    average: float
    shares: FloatArray

    @classmethod
    def of(cls, columns: Columns, plain: FloatArray, slopes: FloatArray) -> Mixture:
        """The mixture for rows whose effects were found out of bag.

        Args:
            columns: what is left of outcome and treatment, weights, clusters.
            plain: n effects of the plain forest.
            slopes: n × L effects with slopes.
        """
        outcome, treatment, weights = _rows(columns)
        informative = float(weights @ treatment**2)
        average = float(weights @ (treatment * outcome)) / informative if informative > 0.0 else 0.0
        tilted = _away(columns, plain, slopes)
        same = _away(columns, plain, np.full((len(plain), 1), average))
        shares = np.r_[(1.0 - tilted.sum()) * same, 0.0, tilted]
        shares[1] = 1.0 - shares.sum()
        return cls(average, shares)

    @property
    def slopes(self) -> float:
        """The share of all slopes together."""
        return float(self.shares[2:].sum())

    def value(self, plain: FloatArray, slopes: FloatArray) -> FloatArray:
        """The mixture at points with these effects of the plain forest and with slopes."""
        return self.shares[0] * self.average + self.shares[1] * plain + slopes @ self.shares[2:]


def _away(columns: Columns, plain: FloatArray, others: FloatArray) -> FloatArray:
    """The shares of these effects in a mixture with the plain forest; none where they do not clearly predict better."""
    outcome, treatment, weights = _rows(columns)
    gaps = outcome[:, None] - treatment[:, None] * np.column_stack([plain, others])
    shares = simplex_minimum((gaps * weights[:, None]).T @ gaps)
    mixed = gaps @ shares
    step = weights * (gaps[:, 0] - mixed)  # T̃ times what the effects move
    gain, noise = float(step @ gaps[:, 0]), _sum_of_squares(step * mixed, columns.clusters)
    if gain <= 0.0:
        return np.zeros(others.shape[1])
    return max(0.0, 1.0 - (CONVINCING**2 * noise / gain**2) ** 2) * shares[1:]


def _rows(columns: Columns) -> tuple[FloatArray, FloatArray, FloatArray]:
    outcome, treatment = np.asarray(columns.outcome), np.asarray(columns.treatment)
    weights = np.ones(len(outcome)) if columns.weights is None else np.asarray(columns.weights, dtype=float)
    return outcome, treatment, weights / weights.mean()


def _sum_of_squares(values: FloatArray, clusters: NDArray[np.int64] | None) -> float:
    """Σ values², of whole clusters where there are any: the variance of their sum."""
    return float(np.sum(np.square(values if clusters is None else np.bincount(clusters, values))))
