"""Effects of groups, and what kind of units the groups hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import InvalidSetting
from butfor.data.sample import Sample, Subgroup
from butfor.inference.covariance import Robust
from butfor.inference.doubly_robust import EffectScores
from butfor.inference.estimate import Estimate
from butfor.inference.ratio import ratio_effects

FloatArray = NDArray[np.float64]


def group_effects(overall: Estimate, sample: Sample, scores: EffectScores, groups: Sequence[Subgroup]) -> Estimate:
    """The average effect in each group, E[h τ | G] / E[h | G], with the joint covariance of all groups.

    Args:
        overall: the estimate that the groups are of.
        scores: its scores, one term per contrast.
        groups: groups may overlap.
    """
    parts = replace(sample, subgroups=tuple(groups))
    labels, value, influence = ratio_effects(parts, scores.numerators, scores.denominators, terms=scores.terms)
    first = len(scores.terms)  # everyone comes before the groups
    return derived(overall, labels[first:], value[first:], influence[:, first:])


def group_profile(
    overall: Estimate, sample: Sample, columns: dict[str, FloatArray], groups: Sequence[Subgroup]
) -> Estimate:
    """The mean of each column in each group, and in the last group less the first.

    Raises:
        InvalidSetting: for fewer than two groups, or no column.
    """
    if not columns:
        raise InvalidSetting("There are no columns; a profile needs one or more.", hint="columns=['age']")
    if len(groups) < 2:
        raise InvalidSetting(f"There are {len(groups)} groups; a profile compares two or more.", hint="groups=5")
    weights = np.ones(sample.n) if sample.weights is None else sample.weights / sample.weights.mean()
    labels: list[str] = []
    values: list[float] = []
    influence: list[FloatArray] = []
    for name, column in columns.items():
        first = len(values)
        for group in groups:
            w = weights * group.rows
            mean = float(w @ column / w.sum())
            labels.append(f"{name} | {group.label}")
            values.append(mean)
            influence.append(w * (column - mean) / w.mean())
        labels.append(f"{name} | {groups[-1].label} - {groups[0].label}")
        values.append(values[-1] - values[first])
        influence.append(influence[-1] - influence[first])
    return derived(overall, tuple(labels), np.array(values), np.column_stack(influence))


def derived(overall: Estimate, labels: tuple[str, ...], value: FloatArray, influence: FloatArray) -> Estimate:
    """Other effects of the same rows, from influence functions alone."""
    return replace(
        overall,
        labels=labels,
        value=value,
        influence=influence,
        regression=None,
        robust=Robust.HC0,
        df=None,
        vcov=None,
        draws=None,
        splitting=None,
    )
