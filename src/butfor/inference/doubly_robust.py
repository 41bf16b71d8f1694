"""Doubly robust scores Γ, and the average effects that they become."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True, eq=False)
class EffectScores:
    """Average effects as ratios of means, θ = E[numerator] / E[denominator], before anything is averaged.

    Whatever rows they are averaged over, θ is the effect of the estimand's population among these rows, and it is
    orthogonal to the nuisances.

    Attributes:
        terms: one name per effect.
        numerators: h (Γ_a − Γ_b) + Σ_l ∂h/∂e_l (1{T = l} − e_l)(μ_a − μ_b), one array per term.
        denominators: h + Σ_l ∂h/∂e_l (1{T = l} − e_l); a weight that is never negative, and 1 for the ATE.
    """

    terms: tuple[str, ...]
    numerators: tuple[FloatArray, ...]
    denominators: tuple[FloatArray, ...]


def tilted_scores(
    sample: Sample, estimand: Estimand, scores: FloatArray, outcomes: FloatArray, propensity: FloatArray
) -> EffectScores:
    """The scores of E[h(X) τ(X)] / E[h(X)], one term per contrast, by the efficient score.

    ψ = h (Γ_a − Γ_b − θ) + Σ_l ∂h/∂e_l (1{T = l} − e_l)(μ_a − μ_b − θ)
    """
    tops: list[FloatArray] = []
    bottoms: list[FloatArray] = []
    for a, b in sample.treatment.contrasts:
        h, drift = tilt_and_drift(sample, estimand, propensity, (a, b))
        tops.append(h * (scores[:, a] - scores[:, b]) + drift * (outcomes[:, a] - outcomes[:, b]))
        bottoms.append(h + drift)
    return EffectScores(sample.treatment.terms, tuple(tops), tuple(bottoms))


def tilted_effects(
    sample: Sample, estimand: Estimand, scores: FloatArray, outcomes: FloatArray, propensity: FloatArray
) -> tuple[tuple[str, ...], FloatArray, FloatArray]:
    """Labels, values and influence functions of E[h(X) τ(X)] / E[h(X)], see `tilted_scores`."""
    found = tilted_scores(sample, estimand, scores, outcomes, propensity)
    return ratio_effects(sample, found.numerators, found.denominators)


def tilt_and_drift(
    sample: Sample, estimand: Estimand, propensity: FloatArray, contrast: tuple[int, int]
) -> tuple[FloatArray, FloatArray]:
    """h, and Σ_l ∂h/∂e_l (1{T = l} − e_l): what not knowing the population adds to the score."""
    h, slope = estimand.tilt(propensity, *contrast)
    return h, _drift(sample, propensity, slope)


def _drift(sample: Sample, propensity: FloatArray, slope: FloatArray) -> FloatArray:
    if not slope.any():
        return np.zeros(sample.n)
    taken = slope[np.arange(sample.n), sample.treatment.codes]
    return taken - np.einsum("ij,ij->i", slope, propensity)
