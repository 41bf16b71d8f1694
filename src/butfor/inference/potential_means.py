"""Mean outcomes of every arm, from doubly robust scores."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import MethodMismatch
from butfor.data.sample import Sample
from butfor.inference.doubly_robust import tilt_and_drift
from butfor.inference.estimate import Estimate
from butfor.inference.group_effects import derived
from butfor.inference.ratio import ratio_effects

FloatArray = NDArray[np.float64]


def potential_means(
    overall: Estimate,
    sample: Sample,
    scores: FloatArray,
    outcomes: FloatArray | None = None,
    propensity: FloatArray | None = None,
) -> Estimate:
    """E[h Y(a)] / E[h] of every arm a, for everyone and for each subgroup; h = 1 without nuisances.

    Raises:
        MethodMismatch: when the comparisons are about different populations.
    """
    h, drift, means = np.ones(sample.n), np.zeros(sample.n), scores
    if outcomes is not None and propensity is not None:
        h, drift = _population(overall, sample, propensity)
        means = outcomes
    arms = range(sample.treatment.arms)
    terms = [f"{sample.treatment.name} = {level}" for level in sample.treatment.levels]
    tops = [h * scores[:, a] + drift * means[:, a] for a in arms]
    return derived(overall, *ratio_effects(sample, tops, [h + drift for _ in arms], terms=terms))


def _population(overall: Estimate, sample: Sample, propensity: FloatArray) -> tuple[FloatArray, FloatArray]:
    tilts = [tilt_and_drift(sample, overall.estimand, propensity, pair) for pair in sample.treatment.contrasts]
    if not all(np.array_equal(h, tilts[0][0]) for h, _ in tilts):
        raise MethodMismatch(
            f"Each comparison has its own population under the {overall.estimand.label}; means of arms need one.",
            hint="contrast=(treated, reference), or estimand=ATE()",
        )
    return tilts[0]
