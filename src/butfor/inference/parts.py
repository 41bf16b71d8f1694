"""Regressions for everyone and for each subgroup, put together into one vector of effects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import EmptyArm
from butfor.data.sample import Sample
from butfor.inference.covariance import Regression

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Part:
    """Effects of one regression: values (terms), φ, α and residuals (rows × terms), leverage (rows)."""

    value: FloatArray
    influence: FloatArray
    leverage: FloatArray
    parameters: int
    df: float
    riesz: FloatArray
    residual: FloatArray


@dataclass(frozen=True, eq=False)
class Whole:
    """The effects of all parts, with φ over all rows."""

    labels: tuple[str, ...]
    value: FloatArray
    influence: FloatArray
    regression: Regression
    df: float | FloatArray
    overall: Part


def fit_parts(sample: Sample, fit_part: Callable[[Sample], Part]) -> Whole:
    """Fit everyone, then each subgroup on its own rows."""
    overall = fit_part(sample)
    terms = sample.treatment.terms
    if not sample.subgroups:
        count = len(terms)
        regression = Regression((sample.n,) * count, (overall.parameters,) * count, overall.leverage)
        return Whole(terms, overall.value, overall.influence, regression, overall.df, overall)
    members = [np.arange(sample.n), *(np.flatnonzero(g.rows) for g in sample.subgroups)]
    parts = [overall]
    for group, rows in zip(sample.subgroups, members[1:], strict=True):
        subset = sample.take(rows)
        _check_arms(subset, group.label)
        parts.append(fit_part(subset))
    suffixes = ["", *(f" | {g.label}" for g in sample.subgroups)]
    count = len(terms)
    influence = np.zeros((sample.n, count * len(parts)))
    leverage = np.zeros_like(influence)
    for index, (part, rows) in enumerate(zip(parts, members, strict=True)):
        columns = slice(index * count, (index + 1) * count)
        influence[rows, columns] = part.influence * (sample.n / len(rows))
        leverage[rows, columns] = part.leverage[:, None]
    repeated = [(len(rows), part.parameters, part.df) for part, rows in zip(parts, members, strict=True) for _ in terms]
    return Whole(
        tuple(term + suffix for suffix in suffixes for term in terms),
        np.concatenate([p.value for p in parts]),
        influence,
        Regression(tuple(r for r, _, _ in repeated), tuple(k for _, k, _ in repeated), leverage),
        np.array([df for _, _, df in repeated]),
        overall,
    )


def _check_arms(subset: Sample, label: str) -> None:
    treatment = subset.treatment
    for code in {c for pair in treatment.contrasts for c in pair}:
        if not np.any(treatment.codes == code):
            raise EmptyArm(
                f"Subgroup {label} has no rows with {treatment.name} = {treatment.levels[code]!r}; it needs both arms.",
                hint="remove the modifier or merge its small levels",
            )
