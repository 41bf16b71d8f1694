"""Cross-fitting folds that depend on what rows are, not on where they stand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import InvalidSetting, TooFewRows
from butfor.data.sample import KeyArray, Sample
from butfor.nuisance.cache import NuisanceCache, frozen, remember

IntArray = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Folds:
    """A fold per row."""

    codes: IntArray
    count: int


def assign_folds(keys: KeyArray, count: int, seed: int) -> IntArray:
    """Folds of (nearly) equal size; rows with the same key share a fold.

    Args:
        keys: one 64-bit key per row.
        count: number of folds.
        seed: another seed, other folds.

    Raises:
        TooFewRows: when there are fewer than two distinct keys per fold.
        InvalidSetting: for fewer than two folds or a negative seed.
    """
    if seed < 0:
        raise InvalidSetting(f"seed is {seed}; folds need a seed of 0 or more.", hint="rng=0")
    if count < 2:
        raise InvalidSetting(f"folds is {count}; cross-fitting needs at least 2.", hint="folds=5")
    mixed = _mix(keys ^ _mix(np.full(1, seed, dtype=np.uint64) + np.uint64(0x9E3779B97F4A7C15)))
    order = np.argsort(mixed, kind="stable")
    key = mixed[order]
    rank = np.cumsum(np.r_[False, key[1:] != key[:-1]])
    if rank[-1] + 1 < 2 * count:
        raise TooFewRows(
            f"The sample has {int(rank[-1]) + 1} distinct rows; cross-fitting with {count} folds needs {2 * count}.",
            hint="folds=2, or a method without cross-fitting such as OLS() or IPW()",
        )
    folds = np.empty(len(keys), dtype=np.int32)
    folds[order] = rank % count
    return folds


def sample_folds(sample: Sample, count: int, seed: int, cache: NuisanceCache | None = None) -> Folds:
    """The folds of a sample; they do not depend on the treatment, so that placebo treatments keep them.

    Raises:
        TooFewRows: when an arm has fewer than two rows outside of some fold.
    """
    keys = sample.row_key
    folds = remember(
        cache, ("folds", count, seed), (keys,), lambda: Folds(frozen(assign_folds(keys, count, seed)), count)
    )
    treatment = sample.treatment
    if treatment.kind != "amount":
        table = np.bincount(folds.codes * treatment.arms + treatment.codes, minlength=count * treatment.arms)
        outside = table.reshape(count, -1).sum(axis=0) - table.reshape(count, -1)
        fold, arm = np.unravel_index(int(outside.argmin()), outside.shape)
        if outside[fold, arm] < 2:
            raise TooFewRows(
                f"Arm {treatment.levels[int(arm)]!r} of {treatment.name!r} has {outside[fold, arm]} rows to learn from "
                f"outside of one of {count} folds; cross-fitting needs at least 2.",
                hint="folds=2, or a method without cross-fitting such as OLS() or IPW()",
            )
    return folds


def take_folds(folds: Folds, rows: NDArray[np.intp]) -> Folds:
    """The folds of some rows, numbered without gaps.

    Raises:
        TooFewRows: when all of these rows are in one fold.
    """
    present, codes = np.unique(folds.codes[rows], return_inverse=True)
    if len(present) < 2:
        raise TooFewRows(
            f"{len(rows)} rows of one arm or pair of arms lie in one fold; cross-fitting needs them in two.",
            hint="compare larger arms, or change rng",
        )
    return Folds(codes.astype(np.int32), len(present))


def _mix(values: KeyArray) -> KeyArray:
    """The finaliser of splitmix64: a bijection whose output looks random."""
    with np.errstate(over="ignore"):
        z = values.copy()
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))
