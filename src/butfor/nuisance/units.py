"""Which rows are independent: clusters, or rows that differ; and how many they amount to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from butfor.data.sample import Sample

FloatArray = NDArray[np.float64]


def unit_codes(sample: Sample) -> NDArray[np.intp]:
    """A code per row: rows of one cluster, and repeated rows, share one."""
    return np.unique(sample.row_key, return_inverse=True)[1]


def independent_units(sample: Sample, rows: NDArray[np.intp]) -> tuple[FloatArray, float]:
    """Weights of rows that sum to one, and the effective number of independent units among them."""
    weight = np.ones(len(rows)) if sample.weights is None else sample.weights[rows]
    weight = weight / weight.sum()
    _, codes = np.unique(sample.row_key[rows], return_inverse=True)
    together = np.bincount(codes, weights=weight)
    return weight, 1.0 / float(together @ together)
