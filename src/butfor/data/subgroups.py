"""Subgroups along modifiers."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from butfor.core.errors import InvalidSetting
from butfor.data.rows import Numbers, Rows
from butfor.data.sample import FloatArray, Subgroup
from butfor.data.treatments import MOST_LEVELS

FEW_VALUES = 10
"""A number with at most this many values gets one subgroup per value; others get quarters."""


def subgroups_of(rows: Rows, modifiers: Iterable[str]) -> tuple[Subgroup, ...]:
    """One subgroup per level of a modifier; numbers with many values are cut at their quartiles.

    Raises:
        InvalidSetting: a text modifier with too many levels.
    """
    return tuple(group for name in modifiers for group in _of_modifier(rows, name))


def _of_modifier(rows: Rows, name: str) -> tuple[Subgroup, ...]:
    column = rows.column(name, role="modifier")
    codes, levels = column.distinct()
    if isinstance(column, Numbers) and len(levels) > FEW_VALUES:
        return _quarters(name, column.values)
    if len(levels) > MOST_LEVELS:
        raise InvalidSetting(
            f"Modifier {name!r} has {len(levels):,} levels; subgroups need at most {MOST_LEVELS}.",
            hint=f"group the levels of {name!r}",
        )
    return tuple(Subgroup(name, f"{name} = {level}", codes == code) for code, level in enumerate(levels))


def _quarters(name: str, values: FloatArray) -> tuple[Subgroup, ...]:
    low, high = float(values.min()), float(values.max())
    cuts = np.unique(np.quantile(values, [0.25, 0.5, 0.75]))
    cuts = cuts[cuts > low]
    if len(cuts) == 0:  # more than three quarters share the smallest value
        cuts = np.array([values[values > low].min()])
    edges = [low, *cuts.tolist(), high]
    part = np.searchsorted(cuts, values, side="right")
    return tuple(
        Subgroup(name, f"{name} in [{edges[j]:.6g}, {edges[j + 1]:.6g}{']' if j == len(cuts) else ')'}", part == j)
        for j in range(len(cuts) + 1)
    )
