"""Covariates with missing values, kept: what is missing may say something itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import MissingValues, RoleConflict
from butfor.data.dataset import Dataset, open_dataset
from butfor.data.design import design_request
from butfor.data.executors.moments_of_rows import moments_of_rows
from butfor.data.moments import MomentRequest, Moments
from butfor.data.request import Request
from butfor.data.rows import Categories, Column, Numbers, Rows
from butfor.data.sample import Covariates

FloatArray = NDArray[np.float64]

SUFFIX = " is missing"
LEVEL = "missing"


def keep_gaps(frame: Any, covariates: Sequence[str]) -> tuple[Dataset, tuple[str, ...]]:
    """Data in which gaps of covariates no longer cost rows, and the covariates to adjust for.

    **Answers** what to do when covariates are missing and units that lack them should count: being missing becomes a
    covariate. A number with gaps gets its mean there and a column beside it, `age is missing`; a category gets the
    level `missing`. Any method can adjust for these. A causal forest sends missing values to the side of each split
    that suits them, and so do its effects of new rows.

    **Assumes** that treatment and outcome are unconfounded given what was *seen* of the covariates (a value, or that
    there is none): right when the treatment was decided on what was seen, wrong when on values that later went missing.

    Args:
        frame: as for `open_dataset`; it is read into memory.
        covariates: columns that may have gaps; all other columns stay as they are.

    References:
        Mayer, Sverdrup, Gauss, Moyer, Wager and Josse 2020 (doi:10.1214/20-AOAS1356).

    >>> import butfor as bf
    >>> frame = {"age": [31.0, None, 45.0], "sex": ["f", None, "m"], "y": [1, 2, 3]}
    >>> data, names = bf.keep_gaps(frame, ["age", "sex"])
    >>> names
    ('age', 'age is missing', 'sex')
    """
    dataset = open_dataset(frame)
    rows = dataset.read(Request(frozenset(dataset.columns)))
    columns, names = dict(rows.columns), list[str]()
    for name in dict.fromkeys(covariates):
        column = rows.column(name, role="covariate")
        parts = _filled(column, _mean(column))
        if len(parts) > 1 and name + SUFFIX in rows.columns:
            raise RoleConflict(
                f"Column {name + SUFFIX!r} is there already; it is to say where {name!r} is missing.", hint="rename it"
            )
        columns |= {part.name: part for part in parts}
        names += [part.name for part in parts]
    found = replace(rows, columns=columns)
    return Dataset(tuple(columns), _Held(found)), tuple(names)


def _mean(column: Column) -> float:
    if not isinstance(column, Numbers):
        return 0.0
    known = column.values[~column.missing()]
    if len(known) == 0:
        raise MissingValues(
            f"Covariate {column.name!r} is missing in every row; it says nothing.", hint=f"leave {column.name!r} out"
        )
    return float(known.mean())


def _filled(column: Column, value: float) -> tuple[Column, ...]:
    """The column without gaps, and beside a number where they were; a column without gaps as it is."""
    gaps = column.missing()
    if not gaps.any():
        return (column,)
    if isinstance(column, Categories):
        codes = np.where(gaps, len(column.levels), column.codes).astype(np.int32)
        return (replace(column, codes=codes, levels=(*column.levels, LEVEL)),)
    if isinstance(column, Numbers):
        known = replace(column, values=np.where(gaps, value, column.values), boolean=False, exact=None)
        return known, Numbers(column.name + SUFFIX, gaps.astype(np.float64), boolean=True)
    return (column,)


def gap_request(covariates: Covariates) -> Request:
    """The columns that new rows must have: where a column is missing need not be said twice."""
    return Request(design_request(covariates).columns - {name + SUFFIX for name in _with_gaps(covariates)})


def rows_with_gaps(rows: Rows, covariates: Covariates) -> Rows:
    """New rows whose gaps are filled like those of the sample; other gaps stay, and are refused later."""
    columns = dict(rows.columns)
    for name in _with_gaps(covariates):
        column = rows.column(name, role="covariate")
        gaps = Numbers(name + SUFFIX, column.missing().astype(np.float64), boolean=True)
        columns |= {part.name: part for part in (gaps, *_filled(column, 0.0))}
    for name in {s for s, c in zip(covariates.source, covariates.columns, strict=True) if c == f"{s}={LEVEL}"}:
        columns[name] = _filled(rows.column(name, role="covariate"), 0.0)[0]
    return replace(rows, columns=columns)


def gaps_restored(matrix: FloatArray, covariates: Covariates) -> FloatArray:
    """The design matrix with NaN where numbers were missing; itself where none was."""
    names = _with_gaps(covariates)
    if not names:
        return matrix
    found = matrix.copy()
    for name in names:
        missing = matrix[:, covariates.columns.index(name + SUFFIX)] == 1.0
        found[missing, covariates.columns.index(name)] = np.nan
    return found


def _with_gaps(covariates: Covariates) -> list[str]:
    return [name for name in covariates.columns if name + SUFFIX in covariates.columns]


@dataclass(frozen=True, eq=False)
class _Held:
    """Rows that were read before."""

    rows: Rows

    def columns(self) -> tuple[str, ...]:
        return tuple(self.rows.columns)

    def source(self) -> str:
        return self.rows.source

    def read(self, columns: Sequence[str]) -> Rows:
        return replace(self.rows, columns={name: self.rows.columns[name] for name in columns})

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[Rows]:
        return self.read(columns).batches(rows)

    def moments(self, request: MomentRequest) -> Moments:
        return moments_of_rows(self.rows, request)
