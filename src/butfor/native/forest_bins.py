"""Covariates as one byte per value: ranges of numbers, or categories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import InvalidSetting
from butfor.native import _kernels

FloatArray = NDArray[np.float64]
ByteArray = NDArray[np.uint8]

MOST_CATEGORIES = 255


@dataclass(frozen=True, eq=False)
class Binning:
    """Where the values of each column are cut into at most 255 ranges: columns start at `start` in `cuts`.

    Attributes:
        category: of each column, 1 where every value is a category of its own, and the order of values means nothing;
            empty where all columns are numbers.
        levels: the values of each category, empty for numbers.
    """

    cuts: FloatArray
    start: NDArray[np.int64]
    category: ByteArray = field(default_factory=lambda: np.empty(0, dtype=np.uint8))
    levels: tuple[FloatArray, ...] = ()

    @classmethod
    def of(cls, matrix: FloatArray, categories: Sequence[int] = ()) -> Binning:
        """Cuts between the quantiles of every column; NaN stands for a missing value.

        Args:
            categories: columns whose values are codes.

        Raises:
            InvalidSetting: for a column that does not exist, or more than 255 categories.
        """
        columns = matrix.shape[1]
        for j in categories:
            if not 0 <= j < columns:
                raise InvalidSetting(f"categories name column {j}; there are {columns} columns.", hint="count from 0")
        cuts, start = _kernels.forest_cuts(matrix)
        category = np.isin(np.arange(columns), list(categories)).astype(np.uint8)
        levels = tuple(_levels(matrix[:, j], j) if category[j] else np.empty(0) for j in range(columns))
        parts = [
            (levels[j][:-1] + np.diff(levels[j]) / 2.0) if category[j] else cuts[start[j] : start[j + 1]]
            for j in range(columns)
        ]
        ends = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
        return cls(np.concatenate([*parts, np.empty(0)]), ends, category, levels)

    @property
    def columns(self) -> int:
        """How many columns are cut."""
        return len(self.start) - 1

    def encode(self, matrix: FloatArray) -> ByteArray:
        """The range of each value (columns × rows), 0 where it is missing or a category that is not known."""
        codes = _kernels.forest_encode(matrix, self.cuts, self.start)
        for j in np.flatnonzero(self.category):
            codes[j, ~np.isin(matrix[:, j], self.levels[j])] = 0
        return codes


def _levels(values: NDArray[Any], column: int) -> FloatArray:
    levels = np.unique(values[~np.isnan(values)])
    if len(levels) > MOST_CATEGORIES:
        raise InvalidSetting(
            f"Column {column} has {len(levels):,} categories; a forest splits at most {MOST_CATEGORIES}.",
            hint="join the rare ones",
        )
    return levels
