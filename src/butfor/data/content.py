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
        hashed: the arrays that the fingerprint covers.
        words: the names and levels that the fingerprint covers.
        parent, rows: for a subset or resample, the content that it was taken from and which of its rows.
    """

    keyed: tuple[NDArray[Any], ...] = ()
    hashed: tuple[NDArray[Any], ...] = ()
    words: tuple[str, ...] = ()
    parent: Content | None = None
    rows: RowArray | None = None

    @cached_property
    def row_key(self) -> KeyArray:
        """A hash of each row's ranks: the same for any row order and unit of measurement, and for repeated rows."""
        key = rank_key(self.keyed) if self.parent is None else self.parent.row_key[self.rows]
        key.flags.writeable = False
        return key

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


def _mix(key: KeyArray) -> KeyArray:
    """The SplitMix64 finaliser (Steele, Lea and Flood 2014, doi:10.1145/2714064.2660195)."""
    key = key + np.uint64(0x9E3779B97F4A7C15)
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return key ^ (key >> np.uint64(31))
