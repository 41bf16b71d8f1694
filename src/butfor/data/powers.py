"""Powers of numeric covariates, for models that are linear in what they are given."""

from __future__ import annotations

import numpy as np

from butfor.core.errors import InvalidSetting
from butfor.data.sample import Covariates


def with_powers(covariates: Covariates, powers: int) -> Covariates:
    """The covariates with squares (2), cubes (3), … of every column that has more than two values.

    Columns are centred before they are raised, which changes no fit and keeps the digits.
    """
    if not 1 <= powers <= 5:
        raise InvalidSetting(f"powers is {powers}; a polynomial needs 1 to 5.", hint="powers=2")
    if powers == 1:
        return covariates
    matrix = covariates.matrix
    numeric = [j for j in range(matrix.shape[1]) if not _is_indicator(matrix[:, j])]
    centred = matrix[:, numeric] - matrix[:, numeric].mean(axis=0)
    blocks = [matrix, *(centred**power for power in range(2, powers + 1))]
    names = [f"{covariates.columns[j]}^{power}" for power in range(2, powers + 1) for j in numeric]
    sources = [covariates.source[j] for _ in range(2, powers + 1) for j in numeric]
    return Covariates(np.hstack(blocks), (*covariates.columns, *names), (*covariates.source, *sources))


def _is_indicator(column: np.ndarray) -> bool:
    low, high = column.min(), column.max()
    return bool(np.all((column == low) | (column == high)))
