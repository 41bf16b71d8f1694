"""What the covariates leave of a treatment or an instrument: the common ground of partially linear models."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import Collinear
from butfor.data.sample import Sample
from butfor.estimators.base import treatment_columns
from butfor.nuisance.cache import NuisanceCache
from butfor.nuisance.crossfit import cross_fit_propensity, cross_fit_treatment_mean
from butfor.nuisance.defaults import default_outcome_model, default_propensity_model
from butfor.nuisance.folds import Folds, sample_folds
from butfor.nuisance.learner import Learner

FloatArray = NDArray[np.float64]

# Share of the variance that the covariates must leave.
LEAST_VARIATION = 1e-6


@dataclass(frozen=True, eq=False)
class Split:
    """One way to split the rows, and where nuisances are kept."""

    folds: Folds
    seed: int
    cache: NuisanceCache | None

    @classmethod
    def of(cls, sample: Sample, count: int, seed: int, cache: NuisanceCache | None) -> Split:
        """The split of a sample into `count` folds by a seed."""
        return cls(sample_folds(sample, count, seed, cache), seed, cache)


@dataclass(frozen=True, eq=False)
class Residuals:
    """T − E[T | X] (rows × d), the matrix from slopes to the asked effects (terms × d), and the model behind it.

    `propensity` (rows × arms) is there for arms.
    """

    values: FloatArray
    combine: FloatArray
    words: str
    propensity: FloatArray | None = None


def treatment_residuals(sample: Sample, model: Learner | None, split: Split) -> Residuals:
    """An amount less its mean given the covariates, or indicators of all arms but the first less their chances."""
    columns, combine = treatment_columns(sample.treatment)
    if sample.treatment.kind == "amount":
        found = cross_fit_treatment_mean(sample, model or default_outcome_model(), split.folds, split.seed, split.cache)
        return Residuals(columns - found.values[:, None], combine, found.words)
    found = cross_fit_propensity(sample, model or default_propensity_model(), split.folds, split.seed, split.cache)
    return Residuals(columns - found.values[:, 1:], combine, found.words, found.values)


def residual_bread(sample: Sample, residuals: FloatArray, weights: FloatArray, suffix: str = "") -> FloatArray:
    """(E[w T̃ T̃'])⁻¹ (d × d).

    Raises:
        Collinear: when the covariates leave next to nothing of the treatment.
    """
    gram = (residuals * weights[:, None]).T @ residuals / sample.n
    if np.linalg.eigvalsh(gram)[0] <= LEAST_VARIATION * max(treatment_spread(sample), 1e-300):
        raise Collinear(
            f"The covariates predict {sample.treatment.name!r} all but exactly{suffix}; an effect needs variation.",
            hint="remove the covariates that define the treatment",
        )
    return np.asarray(np.linalg.inv(gram), dtype=np.float64)


def treatment_spread(sample: Sample) -> float:
    """Variance of the amount, or of the least varying arm."""
    columns, _ = treatment_columns(sample.treatment)
    return float(columns.var(axis=0).min())


def unit_weights(sample: Sample) -> FloatArray:
    """Weights with mean one."""
    return np.ones(sample.n) if sample.weights is None else sample.weights / sample.weights.mean()


def parts_of_sample(sample: Sample) -> list[tuple[str, FloatArray]]:
    """Everyone, then each subgroup: the suffix of its labels and its weights (0 outside)."""
    weights = unit_weights(sample)
    return [("", weights), *((f" | {g.label}", weights * g.rows) for g in sample.subgroups)]
