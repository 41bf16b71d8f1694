"""Effects that tilt near a point: how far, the rows out of bag decide; how sure, an estimate with little bias helps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from butfor.estimators.forest.mixture import Mixture
from butfor.native.forest import Columns, Forest
from butfor.native.forest_points import PointEstimates
from butfor.native.slopes import SlopeEstimates, Slopes

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

    Estimates are a mixture of slopes under several penalties, the plain forest and the average effect; the R-loss out
    of bag says which, and keeps the plain forest unless others are clearly better. As far as slopes count, the variance
    is that of an estimate that hardly shrinks them. As far as they do not, it is that of the plain forest and half its
    squared distance to that estimate: what not using slopes may have cost in bias, for that distance is noise in part.

    Attributes:
        slopes: the forest with the columns that effects may tilt along, standardised.
        places: which columns of the design matrix these are.
        centre, unit: of these columns.
        penalties: candidates × columns; the last row is the one of little bias.
        mixture: what the estimates are made of.
        outside: effects of the forest's rows, out of bag.
    """

    slopes: Slopes
    places: NDArray[np.intp]
    centre: FloatArray
    unit: FloatArray
    penalties: FloatArray
    mixture: Mixture
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
        value = plain.value[:, 0]
        candidates = np.where(np.isnan(found.value), value[:, None], found.value)[:, :-1]
        mixture = Mixture.of(columns, value, candidates)
        return cls(slopes, places, centre, unit, penalties, mixture, _effects(mixture, found, plain))

    def at(self, matrix: FloatArray) -> PointEstimates:
        """Effects at new points, given as rows of the design matrix."""
        plain = self.slopes.forest.predict(matrix)
        along = _standardised(matrix[:, self.places], self.centre, self.unit)
        found = self.slopes.at(matrix, along, self.penalties)
        return _effects(self.mixture, found, plain)


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


def _effects(mixture: Mixture, found: SlopeEstimates, plain: PointEstimates) -> PointEstimates:
    """The mixture; a point at which no plane can be fitted keeps the effect of the plain forest."""
    value, variance, noise = plain.value[:, 0], plain.variance[:, 0], plain.monte_carlo[:, 0]
    none, share = np.isnan(found.value).any(axis=1) | np.isnan(found.variance), mixture.slopes
    bias = 0.5 * np.square(value - found.value[:, -1])
    mixed = (
        mixture.value(value, found.value[:, :-1]),
        (1.0 - share) * (variance + bias) + share * found.variance,
        (1.0 - share) * noise + share * found.monte_carlo,
    )
    kept = [np.where(none, a, b)[:, None] for a, b in zip((value, variance, noise), mixed, strict=True)]
    return PointEstimates(kept[0], kept[1], kept[2])
