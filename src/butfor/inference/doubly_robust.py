"""Doubly robust scores Γ, and the average effects that they become."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from butfor.data.sample import Sample
from butfor.inference.ratio import ratio_effects
from butfor.question import Estimand

FloatArray = NDArray[np.float64]


def doubly_robust_scores(sample: Sample, outcomes: FloatArray, propensity: FloatArray) -> FloatArray:
    """Γ (rows × arms): Γ_a = μ_a(X) + 1{T = a}(Y − μ_a(X)) / e_a(X)."""
    own = np.arange(sample.n) * outcomes.shape[1] + sample.treatment.codes
    scores = outcomes.copy()
    flat = scores.reshape(-1)
    flat[own] += (sample.outcome - outcomes.reshape(-1)[own]) / propensity.reshape(-1)[own]
    return scores


def tilted_effects(
    sample: Sample, estimand: Estimand, scores: FloatArray, outcomes: FloatArray, propensity: FloatArray
) -> tuple[tuple[str, ...], FloatArray, FloatArray]:
    """Labels, values and influence functions of E[h(X) τ(X)] / E[h(X)], by the efficient score.

    ψ = h (Γ_a − Γ_b − θ) + Σ_l ∂h/∂e_l (1{T = l} − e_l)(μ_a − μ_b − θ)
    """
    tops: list[FloatArray] = []
    bottoms: list[FloatArray] = []
    for a, b in sample.treatment.contrasts:
        h, slope = estimand.tilt(propensity, a, b)
        drift = _drift(sample, propensity, slope)
        tops.append(h * (scores[:, a] - scores[:, b]) + drift * (outcomes[:, a] - outcomes[:, b]))
        bottoms.append(h + drift)
    return ratio_effects(sample, tops, bottoms)


def _drift(sample: Sample, propensity: FloatArray, slope: FloatArray) -> FloatArray:
    """Σ_l ∂h/∂e_l (1{T = l} − e_l): what not knowing the population adds to the score."""
    if not slope.any():
        return np.zeros(sample.n)
    taken = slope[np.arange(sample.n), sample.treatment.codes]
    return taken - np.einsum("ij,ij->i", slope, propensity)
