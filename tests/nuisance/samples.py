"""Small samples built by hand: arrays in, no frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from butfor.data.sample import Cluster, Covariates, Sample, Treatment

FloatArray = NDArray[np.float64]


def sample_of(
    matrix: FloatArray,
    treatment: FloatArray,
    outcome: FloatArray,
    *,
    weights: FloatArray | None = None,
    cluster: NDArray[np.int32] | None = None,
    kind: str = "",
) -> Sample:
    """A sample of arrays; the treatment is binary, several arms or an amount by its values unless told."""
    matrix = np.array(matrix, order="C")
    outcome = outcome.copy()
    levels = np.unique(treatment)
    kind = kind or ("binary" if len(levels) == 2 else "arms" if len(levels) <= 5 else "amount")
    arms = kind != "amount"
    codes = np.searchsorted(levels, treatment).astype(np.int32) if arms else np.zeros(len(treatment), dtype=np.int32)
    values = codes.astype(float) if arms else treatment.copy()
    for array in (matrix, outcome, codes, values, *(() if weights is None else (weights,))):
        array.flags.writeable = False
    names = tuple(f"x{j}" for j in range(matrix.shape[1]))
    return Sample(
        outcome_name="outcome",
        outcome=outcome,
        treatment=Treatment(
            name="treatment",
            kind=kind,  # pyright: ignore[reportArgumentType]
            values=values,
            codes=codes,
            levels=tuple(levels.tolist()) if arms else (),
            contrasts=tuple((a, 0) for a in range(1, len(levels))) if arms else (),
        ),
        covariates=Covariates(matrix, names, names),
        weights=weights,
        cluster=None if cluster is None else Cluster("cluster", cluster, int(cluster.max()) + 1),
    )


def expit(index: FloatArray) -> FloatArray:
    """The logistic function."""
    return 1.0 / (1.0 + np.exp(-index))


def world(n: int, seed: int = 0, *, arms: int = 2) -> Sample:
    """Confounded, linear and logistic, with one column far from 0 and one on a large scale."""
    rng = np.random.default_rng(seed)
    matrix = np.column_stack([rng.normal(size=n), 50.0 + 10.0 * rng.normal(size=n), 1000.0 * rng.normal(size=n)])
    signal = matrix @ np.array([0.5, 0.04, -0.0003]) - 2.0
    index = np.column_stack([(arm * signal) for arm in range(arms)])
    chance = np.exp(index) / np.exp(index).sum(axis=1, keepdims=True)
    treatment = (rng.random(n)[:, None] > np.cumsum(chance, axis=1)[:, :-1]).sum(axis=1).astype(float)
    outcome = treatment * (1.0 + matrix[:, 0]) + signal + rng.normal(size=n)
    return sample_of(matrix, treatment, outcome)
