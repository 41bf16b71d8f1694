"""Resampling for estimators that have no influence function: fit again with other weights."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from butfor.core.rng import Seed, streams
from butfor.data.sample import Sample

FloatArray = NDArray[np.float64]


def bootstrap(
    sample: Sample, statistic: Callable[[FloatArray, int], FloatArray], *, count: int, rng: Seed
) -> FloatArray:
    """Values of a statistic in resamples (count × values).

    Each resample weighs every row, or every cluster, by an exponential number of mean one (Rubin 1981,
    doi:10.1214/aos/1176345338), on top of the sampling weights. No row is ever there twice, so that cross-fitting still
    predicts rows that it has not seen, and no level is ever lost.

    Args:
        sample: whose rows are resampled.
        statistic: from weights of the rows, and a seed, to values.
        count: how many resamples.
        rng: seed or generator.
    """
    base = np.ones(sample.n) if sample.weights is None else sample.weights
    # By what a row is, not by where it stands: rows in another order are resampled alike.
    unit = np.argsort(np.argsort(sample.row_key, kind="stable")) if sample.cluster is None else sample.cluster.codes
    units = sample.n if sample.cluster is None else sample.cluster.count
    found: list[FloatArray] = []
    for stream in streams(rng, count):
        weights = base * stream.exponential(size=units)[unit]
        found.append(statistic(weights * (sample.n / weights.sum()), int(stream.integers(2**31))))
    return np.array(found)
