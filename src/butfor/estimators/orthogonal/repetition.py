"""Repeated cross-fitting: the luck of one split taken out by the median over several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from butfor.core.rng import seed_of
from butfor.estimators.base import Fit
from butfor.inference.estimate import Estimate

FloatArray = NDArray[np.float64]
AnyFit = TypeVar("AnyFit", bound=Fit)


def over_repetitions(repetitions: int, seed: int, fit_once: Callable[[int], AnyFit]) -> AnyFit:
    """The fit of one split, or of several put together: estimates by `median_estimate`, predictions by their mean.

    The first split is the one that a single fit with this seed has. Nuisances of every split go to the cache.

    Args:
        fit_once: the fit with the split of a seed.
    """
    fits = [fit_once(seed)]
    fits += [fit_once(seed_of(np.random.default_rng([seed, k]))) for k in range(1, repetitions)]
    first = fits[0]
    if repetitions == 1:
        return first
    changed = {f.name: _together([getattr(fit, f.name) for fit in fits]) for f in fields(first)}
    words = tuple(f"{line} (first of {repetitions} splits)" for line in first.nuisance_summary)
    return replace(first, **(changed | {"nuisance_summary": words}))


def median_estimate(estimates: Sequence[Estimate]) -> Estimate:
    """Median of the values, with the variance that accounts for the spread between splits.

    The variance of each effect is median_k (σ_k² + (θ_k − θ)²) (Chernozhukov et al. 2018, definition 3.3,
    doi:10.1111/ectj.12097). The influence function is the mean of those of the splits; what the variance has beyond it
    is kept as `splitting`, correlated as the effects are over splits, and counts for every kind of standard error.
    """
    first = estimates[0]
    values = np.stack([e.value for e in estimates])
    middle = np.median(values, axis=0)
    gaps = values - middle
    variance = np.median([e.std_error**2 + gap**2 for e, gap in zip(estimates, gaps, strict=True)], axis=0)
    notes = {d.name: d for e in reversed(estimates) for d in reversed(e.diagnostics)}
    together = replace(
        first,
        value=middle,
        influence=np.mean([_influence(e) for e in estimates], axis=0),
        diagnostics=tuple(reversed(notes.values())),
    )
    added = np.sqrt(np.maximum(variance - together.std_error**2, 0.0))
    return replace(together, splitting=_correlation(gaps) * np.outer(added, added))


def _correlation(gaps: FloatArray) -> FloatArray:
    """How effects vary together over splits (k × k): Σ g g' / sqrt(Σ g² Σ g²), with ones on the diagonal."""
    size = np.sqrt(np.sum(gaps**2, axis=0))
    unit = np.divide(gaps, size, out=np.zeros_like(gaps), where=size > 0)
    found = unit.T @ unit
    np.fill_diagonal(found, 1.0)
    return found


def _influence(estimate: Estimate) -> FloatArray:
    assert estimate.influence is not None
    return estimate.influence


def _together(values: Sequence[Any]) -> Any:
    if isinstance(values[0], Estimate):
        return median_estimate(values)
    if isinstance(values[0], np.ndarray):
        return np.mean(values, axis=0)
    return values[0]
