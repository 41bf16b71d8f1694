"""The design matrix of new rows, column for column that of a sample."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import InfiniteValues, InvalidSetting, MissingValues, NonNumeric
from butfor.data.request import Request
from butfor.data.rows import Categories, Numbers, Rows
from butfor.data.sample import Covariates

FloatArray = NDArray[np.float64]


def design_request(covariates: Covariates) -> Request:
    """The columns that new rows must have."""
    return Request(frozenset(covariates.source))


def design_matrix(rows: Rows, covariates: Covariates) -> FloatArray:
    """New rows laid out like `covariates`.

    Raises:
        UnknownColumn, NonNumeric: a column that is missing or of another kind.
        MissingValues, InfiniteValues: a value that is no number.
        InvalidSetting: a category with levels that the sample did not have.
    """
    matrix = np.empty((rows.n, len(covariates.columns)))
    for source in dict.fromkeys(covariates.source):
        places = [j for j, s in enumerate(covariates.source) if s == source]
        names = [covariates.columns[j] for j in places]
        column = rows.column(source, role="covariate")
        missing = int(column.missing().sum())
        if missing:
            raise MissingValues(
                f"Column {source!r} has {missing:,} missing values in the new rows; an effect needs every covariate.",
                hint="fill them, or leave these rows out",
            )
        if names == [source]:
            matrix[:, places[0]] = _numbers(column, source)
        else:
            matrix[:, places] = _indicators(column, source, names)
    return matrix


def _numbers(column: object, name: str) -> FloatArray:
    if not isinstance(column, Numbers):
        raise NonNumeric(
            f"Column {name!r} holds no numbers in the new rows; the model learned from numbers.",
            hint="give the column as it was in the data",
        )
    if np.isinf(column.values).any():
        raise InfiniteValues(
            f"Column {name!r} has infinite values in the new rows; an effect needs numbers.", hint="leave them out"
        )
    return column.values


def _indicators(column: object, name: str, names: list[str]) -> FloatArray:
    """A level that has no indicator is the first one of the sample; there can be one such level only."""
    if not isinstance(column, Categories | Numbers):
        raise NonNumeric(f"Column {name!r} holds no categories in the new rows.", hint="give the column as it was")
    codes, levels = column.distinct()
    labels = [f"{name}={level}" for level in levels]
    unknown = [level for level, label in zip(levels, labels, strict=True) if label not in names]
    if len(unknown) > 1:
        raise InvalidSetting(
            f"Column {name!r} has {len(unknown)} levels without an indicator in the new rows, such as {unknown[0]!r} "
            f"and {unknown[1]!r}; only the first level of the sample has none.",
            hint="leave out rows with levels that the sample did not have",
        )
    place = np.array([names.index(label) if label in names else -1 for label in labels], dtype=int)
    return (place[codes][:, None] == np.arange(len(names))).astype(float)
