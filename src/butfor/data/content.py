"""The content that a sample was drawn with: a key per row, and a fingerprint of the whole.

Both are computed when first asked for: linear regression and weighting never need the keys.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

KeyArray = NDArray[np.uint64]
RowArray = NDArray[np.intp] | NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Content:
    """What identifies rows and data, kept when a refit replaces outcome, treatment or covariates.

    Args:
        keyed: one array per column whose ranks identify a row (outcome and covariates, or the cluster alone).
        arms, amounts: codes of treatment, instrument and event, or their values; they tell rows of few kinds apart.
            Empty for clusters, whose rows stay together.
        ties: further columns, so that rows of a kind are numbered in the same way in any order of the rows.
        hashed: the arrays that the fingerprint covers.
        words: the names and levels that the fingerprint covers.
        parent, rows: for a subset or resample, the content that it was taken from and which of its rows.
    """

    keyed: tuple[NDArray[Any], ...] = ()
    hashed: tuple[NDArray[Any], ...] = ()
    words: tuple[str, ...] = ()
    arms: tuple[NDArray[Any], ...] = ()
    amounts: tuple[NDArray[Any], ...] = ()
    ties: tuple[NDArray[Any], ...] = ()
    parent: Content | None = None
    rows: RowArray | None = None

    @cached_property
    def row_key(self) -> KeyArray:
        """A hash of each row's ranks: the same for any row order and unit of measurement, and for repeated rows.

        Rows that share their covariates with different rows are no copies of one row, and each has a key of its own:
        if all rows of a kind left the data together, what is learned from the others would be wrong for that kind.
        """
        key = self._own_key() if self.parent is None else self.parent.row_key[self.rows]
        key.flags.writeable = False
        return key

    def _own_key(self) -> KeyArray:
        key = rank_key(self.keyed)
        if not (self.arms or self.amounts) or len(np.unique(key)) == len(key):
            return key
        kind = rank_key([key, *self.arms])
        covariates = rank_key([np.zeros(len(key)), *self.keyed[1:]])
        copy = np.where(_differ_within(covariates, rank_key([kind, *self.amounts])), 1, 0)
        copy *= _places(kind, (*self.amounts, *self.ties))
        return np.where(copy > 0, _mix(key ^ _mix(copy.astype(np.uint64))), key)

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that change when a used value, its row or its name changes."""
        if self.parent is not None:
            return self.parent.fingerprint
        digest = hashlib.blake2b(repr(self.words).encode(), digest_size=8)
        for array in self.hashed:
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data.cast("B") if array.size else b"")
        return digest.hexdigest()

    def take(self, rows: RowArray) -> Content:
        """The content of these rows, which keep their keys."""
        return Content(parent=self, rows=rows)


def rank_key(columns: Sequence[NDArray[Any]]) -> KeyArray:
    """One 64-bit hash per row of the dense ranks of all columns."""
    key = np.zeros(len(columns[0]) if columns else 0, dtype=np.uint64)
    for column in columns:
        key = _mix(key ^ _mix(dense_rank(column)))
    return key


def dense_rank(column: NDArray[Any]) -> KeyArray:
    """0 for the smallest value, 1 for the next larger one, and so on; equal values share a rank."""
    if len(column) == 0:
        return np.zeros(0, dtype=np.uint64)
    above = column != column.min()
    if np.array_equal(above, column == column.max()):
        return above.astype(np.uint64)
    order = np.argsort(column)
    ordered = column[order]
    ranks = np.empty(len(column), dtype=np.uint64)
    ranks[order] = np.concatenate([[0], np.cumsum(ordered[1:] != ordered[:-1])])
    return ranks


def _differ_within(groups: KeyArray, values: KeyArray) -> NDArray[np.bool_]:
    """For each row: do the values of its group differ?"""
    order = np.argsort(groups)
    starts, lengths = _runs(groups[order])
    ordered = values[order]
    found = np.empty(len(groups), dtype=bool)
    found[order] = np.repeat(np.minimum.reduceat(ordered, starts) != np.maximum.reduceat(ordered, starts), lengths)
    return found


def _places(groups: KeyArray, by: Sequence[NDArray[Any]]) -> NDArray[np.intp]:
    """The place of each row in its group, from 0, ordered by columns."""
    order = np.lexsort((*reversed(by), groups))
    starts, lengths = _runs(groups[order])
    places = np.empty(len(groups), dtype=np.intp)
    places[order] = np.arange(len(groups)) - np.repeat(starts, lengths)
    return places


def _runs(ordered: KeyArray) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where runs of equal values start, and how long they are."""
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    return starts, np.diff(np.r_[starts, len(ordered)])


def _mix(key: KeyArray) -> KeyArray:
    """The SplitMix64 finaliser (Steele, Lea and Flood 2014, doi:10.1145/2714064.2660195)."""
    key = key + np.uint64(0x9E3779B97F4A7C15)
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return key ^ (key >> np.uint64(31))
