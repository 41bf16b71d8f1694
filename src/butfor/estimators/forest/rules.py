"""Who gains, in a few rules: a small tree that explains a forest's effects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Rule:
    """Units that satisfy all conditions.

    Attributes:
        label: the conditions in words; "everyone" when there are none.
        rows: who satisfies them.
    """

    label: str
    rows: NDArray[np.bool_]


def rules(
    effects: FloatArray,
    matrix: FloatArray,
    learn: NDArray[np.bool_],
    weights: FloatArray | None,
    names: Sequence[str],
    shape: tuple[int, float],
) -> list[Rule]:
    """The leaves of the tree that predicts `effects` best from the columns of `matrix`, in ascending order of effect.

    Args:
        learn: the rows that choose the conditions.
        shape: conditions in a row at most, and the least share of the learning rows in a leaf.
    """
    from sklearn.tree import DecisionTreeRegressor

    depth, smallest = shape
    least = max(ceil(smallest * int(learn.sum())), 1)
    w = None if weights is None else weights[learn]
    tree: Any = DecisionTreeRegressor(max_depth=depth, min_samples_leaf=least, random_state=0)
    tree.fit(matrix[learn], effects[learn], sample_weight=w)
    everyone = np.ones(len(matrix), dtype=np.bool_)
    found = _leaves(tree.tree_, 0, matrix, names, ({}, everyone))
    return [rule for _, rule in sorted(found, key=lambda pair: pair[0])]


# What is known of each column so far: above and at most.
Limits = dict[int, tuple[float, float]]


def _leaves(
    tree: Any, node: int, matrix: FloatArray, names: Sequence[str], known: tuple[Limits, NDArray[np.bool_]]
) -> list[tuple[float, Rule]]:
    limits, rows = known
    if tree.children_left[node] < 0:
        label = " and ".join(_words(names[j], *limits[j]) for j in limits) or "everyone"
        return [(float(tree.value[node].reshape(-1)[0]), Rule(label, rows))]
    j, cut = int(tree.feature[node]), float(tree.threshold[node])
    low, high = limits.get(j, (-np.inf, np.inf))
    # The tree compares in single precision.
    below = matrix[:, j].astype(np.float32) <= cut
    left = (limits | {j: (low, cut)}, rows & below)
    right = (limits | {j: (cut, high)}, rows & ~below)
    return [
        *_leaves(tree, int(tree.children_left[node]), matrix, names, left),
        *_leaves(tree, int(tree.children_right[node]), matrix, names, right),
    ]


def _words(name: str, low: float, high: float) -> str:
    source, is_level, level = name.partition("=")
    if is_level:
        return f"{source} is {'not ' if np.isinf(low) else ''}{level}"
    if np.isinf(low):
        return f"{name} ≤ {high:.4g}"
    return f"{name} > {low:.4g}" if np.isinf(high) else f"{low:.4g} < {name} ≤ {high:.4g}"
