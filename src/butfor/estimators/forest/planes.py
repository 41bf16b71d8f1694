"""Effects that tilt near a point: how far, the rows out of bag decide; how sure, an estimate with little bias says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from butfor.native.forest import Columns, Forest
from butfor.native.forest_points import PointEstimates
from butfor.native.slopes import Slopes

FloatArray = NDArray[np.float64]

# What the slope along a column costs, in units of what it costs to be wrong by its standard deviation. A column of
# average importance pays this much; one twice as important, half as much.
CANDIDATES = (3.0, 1.0, 0.3, 0.1)

# The same for every column: so little that the bias of smoothing is gone, along the covariates that matter or not.
LITTLE = 0.1

# The least share of splits that a column is taken to have.
LEAST_SHARE = 1e-3


@dataclass(frozen=True, eq=False)
class Planes:
    """A forest's effects as planes near each point.

    Estimates are those of the penalty with the least R-loss out of bag, the plain forest among the candidates. Their
    standard errors are those of an estimate that hardly shrinks its slopes: longer than the spread of the estimates by
    about what shrinking may have cost in bias.

    Attributes:
        slopes: the forest with the columns that effects may tilt along, standardised.
        places: which columns of the design matrix these are.
        centre, unit: of these columns.
        penalties: candidates × columns; the last row is the one of little bias.
        chosen: the row of the best candidate; None for the plain forest.
        outside: effects of the forest's rows, out of bag.
    """

    slopes: Slopes
    places: NDArray[np.intp]
    centre: FloatArray
    unit: FloatArray
    penalties: FloatArray
    chosen: int | None
    outside: PointEstimates

    @classmethod
    def of(cls, forest: Forest, columns: Columns, most: int) -> Planes:
        """Planes along the `most` columns that the forest splits most often."""
        matrix, share = np.asarray(columns.covariates, dtype=float), forest.importance()
        places = np.sort(np.argsort(-share, kind="stable")[:most])
        centre, unit = _measure(matrix[:, places], columns.weights)
        slopes = Slopes(forest, columns, _standardised(matrix[:, places], centre, unit))
        penalties = _penalties(share[places])
        found = slopes.outside(penalties)
        plain = forest.outside
        values = np.column_stack([found.value, plain.value])
        best = int(np.argmin(_losses(columns, values)))
        chosen = None if best == len(penalties) else best
        outside = _effects(values[:, best], found.variance, found.monte_carlo, plain)
        return cls(slopes, places, centre, unit, penalties, chosen, outside)

    def at(self, matrix: FloatArray) -> PointEstimates:
        """Effects at new points, given as rows of the design matrix."""
        plain = self.slopes.forest.predict(matrix)
        along = _standardised(matrix[:, self.places], self.centre, self.unit)
        found = self.slopes.at(matrix, along, self.penalties)
        value = plain.value[:, 0] if self.chosen is None else found.value[:, self.chosen]
        return _effects(value, found.variance, found.monte_carlo, plain)


def _measure(matrix: FloatArray, weights: FloatArray | None) -> tuple[FloatArray, FloatArray]:
    """Means and standard deviations of the columns, missing values left out."""
    w = (np.ones(len(matrix)) if weights is None else weights)[:, None] * ~np.isnan(matrix)
    total, values = np.maximum(w.sum(axis=0), 1e-300), np.nan_to_num(matrix)
    centre = (w * values).sum(axis=0) / total
    unit = np.sqrt((w * (values - centre) ** 2).sum(axis=0) / total)
    return centre, np.where(unit > 0.0, unit, 1.0)


def _standardised(matrix: FloatArray, centre: FloatArray, unit: FloatArray) -> FloatArray:
    """A missing value is an average one: the leaves know that it is missing, the slopes need not."""
    return np.nan_to_num((matrix - centre) / unit)


def _penalties(share: FloatArray) -> FloatArray:
    relative = np.maximum(share, LEAST_SHARE)
    own = relative.mean() / relative
    return np.vstack([*(penalty * own for penalty in CANDIDATES), np.full(len(share), LITTLE)])


def _losses(columns: Columns, effects: FloatArray) -> FloatArray:
    """The R-loss of each column of effects: mean (Ỹ − T̃ τ)², infinite where one is missing."""
    outcome, treatment = np.asarray(columns.outcome), np.asarray(columns.treatment)
    losses = np.average((outcome[:, None] - treatment[:, None] * effects) ** 2, axis=0, weights=columns.weights)
    return np.where(np.isnan(losses), np.inf, losses)


def _effects(value: FloatArray, variance: FloatArray, noise: FloatArray, plain: PointEstimates) -> PointEstimates:
    """A point at which no plane can be fitted keeps the effect of the plain forest."""
    none = np.isnan(value) | np.isnan(variance)
    return PointEstimates(
        np.where(none, plain.value[:, 0], value)[:, None],
        np.where(none, plain.variance[:, 0], variance)[:, None],
        np.where(none, plain.monte_carlo[:, 0], noise)[:, None],
    )
