"""Averages over a population: the one way scores become effects.

Most average effects are ratios of means, θ = E[w·numerator] / E[w·denominator], over everyone or within a
subgroup. Their influence function is (w·numerator − θ·w·denominator) / E[w·denominator].
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import TooFewRows
from butfor.data.sample import Sample

FloatArray = NDArray[np.float64]


def ratio_effects(
    sample: Sample,
    numerators: Sequence[FloatArray],
    denominators: Sequence[FloatArray],
    *,
    terms: Sequence[str] | None = None,
) -> tuple[tuple[str, ...], FloatArray, FloatArray]:
    """Labels, effects and influence functions, for everyone and for each subgroup of the sample.

    Args:
        numerators: one array of n per term.
        denominators: likewise; their mean is the share of the population that the effect is about.
        terms: labels; those of the treatment by default.
    """
    terms = sample.treatment.terms if terms is None else terms
    labels: list[str] = []
    values: list[float] = []
    influence: list[FloatArray] = []
    weights = np.ones(sample.n) if sample.weights is None else sample.weights / sample.weights.mean()
    everyone = (("", None), *((f" | {g.label}", g.rows) for g in sample.subgroups))
    for suffix, rows in everyone:
        w = weights if rows is None else weights * rows
        for term, top, bottom in zip(terms, numerators, denominators, strict=True):
            share = float(np.mean(w * bottom))
            if share <= 0.0:
                raise TooFewRows(
                    f"The population of {term!r}{suffix} has no rows; an average effect needs at least one.",
                    hint="lower trim=, or ask for another estimand",
                )
            theta = float(np.mean(w * top)) / share
            labels.append(term + suffix)
            values.append(theta)
            influence.append(w * (top - theta * bottom) / share)
    return tuple(labels), np.array(values), np.column_stack(influence)
