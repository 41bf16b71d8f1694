"""How much likelier a number is by itself than given other columns, row by row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
# Rows that stand for all rows in the density of the number by itself; places at which the shape is tabulated.
MOST_CENTRES = 500
PLACES = 2_048
# A spread is never taken below this share of the overall one.
LEAST_SPREAD = 0.05


@dataclass(frozen=True, eq=False)
class Shape:
    """The density of standardised residuals: a Gaussian kernel estimate, tabulated.

    >>> shape = Shape.of(np.random.default_rng(0).normal(size=4000), np.ones(4000))
    >>> shape(np.array([0.0, 2.0])).round(1).tolist()
    [0.4, 0.1]
    """

    places: FloatArray
    height: FloatArray

    @classmethod
    def of(cls, residual: FloatArray, weights: FloatArray) -> Shape:
        """From residuals and their weights, with Silverman's bandwidth (doi:10.1201/9781315140919, equation 3.31)."""
        share = weights / weights.sum()
        centre = float(share @ residual)
        deviation = float(np.sqrt(share @ (residual - centre) ** 2))
        order = np.argsort(residual, kind="stable")
        low, high = np.interp([0.25, 0.75], np.cumsum(share[order]), residual[order])
        spread = min(deviation, float(high - low) / 1.34) or deviation
        width = 0.9 * spread * (1.0 / float(np.sum(share**2))) ** -0.2
        edges = np.linspace(residual.min() - 4.0 * width, residual.max() + 4.0 * width, PLACES + 1)
        places, step = (edges[1:] + edges[:-1]) / 2.0, float(edges[1] - edges[0])
        counts = np.histogram(residual, bins=edges, weights=share)[0]
        reach = min(int(np.ceil(4.0 * width / step)), (PLACES - 1) // 2)
        kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * step / width) ** 2)
        return cls(places, np.convolve(counts, kernel / (kernel.sum() * step), mode="same"))

    def __call__(self, values: FloatArray) -> FloatArray:
        """The density at some values; zero beyond the residuals."""
        return np.interp(values, self.places, self.height, left=0.0, right=0.0)


def density_ratio(
    values: FloatArray, mean: FloatArray, spread: FloatArray, weights: FloatArray, *, most: float
) -> tuple[FloatArray, float]:
    """p(z) / p(z | given) of each row, no larger than `most`, and the share of rows where it would have been.

    z given the other columns is taken as mean + spread · residual, with one shape of residuals for all rows; p(z) is
    the average of these densities over the rows, so that the ratio averages to one given the other columns.

    Args:
        values: the number of each row.
        mean: its expectation given the other columns.
        spread: the expected size of its residual given them.
        weights: of the rows.
        most: the largest ratio.
    """
    overall = float(np.average(np.abs(values - mean), weights=weights))
    scale = np.maximum(spread, LEAST_SPREAD * overall)
    shape = Shape.of((values - mean) / scale, weights)
    given = shape((values - mean) / scale) / scale
    alone = _alone(values, mean, scale, shape, weights)
    ratio = np.divide(alone, given, out=np.full(len(values), np.inf), where=given > 0.0)
    return np.minimum(ratio, most), float(np.average(ratio > most, weights=weights))


def _alone(values: FloatArray, mean: FloatArray, scale: FloatArray, shape: Shape, weights: FloatArray) -> FloatArray:
    """p(z): the average density of rows that stand for all, tabulated between the least and the largest value."""
    # Evenly spread over the rows in the order of their means: what stands for all rows is nothing random.
    order = np.argsort(mean, kind="stable")
    count = min(MOST_CENTRES, len(values))
    places = np.searchsorted(np.cumsum(weights[order]) / weights.sum(), (np.arange(count) + 0.5) / count)
    centres = order[np.minimum(places, len(values) - 1)]
    grid = np.linspace(values.min(), values.max(), PLACES // 4)
    size = scale[centres]
    height = np.mean(shape((grid[:, None] - mean[centres]) / size) / size, axis=1)
    return np.interp(values, grid, height)
