"""The columns that a forest sees: one per covariate, numbers with their gaps and categories as codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import InfiniteValues, InvalidSetting, MissingValues, NonNumeric
from butfor.data.gaps import gaps_restored
from butfor.data.rows import Categories, Column, Numbers, Rows
from butfor.data.sample import Covariates
from butfor.native.forest_bins import MOST_CATEGORIES

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class ForestColumns:
    """How columns of data become the matrix of a forest, for the rows it learns from and for new ones.

    A number stays as it is, NaN where it is missing; a category becomes the code of its level, NaN where it is missing
    or has a level that was not there before. Both go where the missing values of the fit went; in a column that had
    none, they are refused.

    Attributes:
        names: the covariates, one column each.
        levels: of each covariate, the levels in the order of their codes; empty for numbers.
        gaps: of each covariate, whether values were missing.
    """

    names: tuple[str, ...]
    levels: tuple[tuple[str, ...], ...]
    gaps: tuple[bool, ...]

    @classmethod
    def of(cls, rows: Rows, names: Sequence[str]) -> ForestColumns:
        """The columns of these rows.

        Raises:
            UnknownColumn, NonNumeric: a column that is not there, or holds neither numbers nor categories.
            MissingValues: a column without any value.
            InvalidSetting: more categories than a forest splits.
        """
        columns = [rows.column(name, role="covariate") for name in names]
        levels = tuple(_levels(column) for column in columns)
        return cls(tuple(names), levels, tuple(bool(column.missing().any()) for column in columns))

    @property
    def categories(self) -> tuple[int, ...]:
        """Which columns hold codes."""
        return tuple(j for j, levels in enumerate(self.levels) if levels)

    def matrix(self, rows: Rows) -> FloatArray:
        """These rows, n × p.

        Raises:
            UnknownColumn, NonNumeric: a column that is not there, or of another kind.
            MissingValues: gaps in a column that had none.
            InfiniteValues: values that are no numbers.
            InvalidSetting: new levels of a column that had no gaps.
        """
        matrix = np.empty((rows.n, len(self.names)))
        for j, name in enumerate(self.names):
            column = rows.column(name, role="covariate")
            missing = column.missing()
            if missing.any() and not self.gaps[j]:
                raise MissingValues(
                    f"Column {name!r} has {int(missing.sum()):,} missing values in the new rows, and had none in the "
                    "fit; a forest knows where to send those it has seen.",
                    hint="fill them, or leave these rows out",
                )
            matrix[:, j] = self._codes(column, j) if self.levels[j] else _numbers(column)
        return matrix

    def _codes(self, column: Column, j: int) -> FloatArray:
        if not isinstance(column, Categories | Numbers):
            raise NonNumeric(f"Column {column.name!r} holds {column.what}; the fit had categories.", hint="as before")
        missing, known = column.missing(), self.levels[j]
        found = np.full(len(missing), np.nan)
        codes, labels = column.take(~missing).distinct()
        place = {level: float(code) for code, level in enumerate(known)}
        new = [str(label) for label in labels if str(label) not in place]
        if new and not self.gaps[j]:
            raise InvalidSetting(
                f"Column {column.name!r} has {len(new)} levels that the fit did not have, such as {new[0]!r}; a forest "
                "knows where to send those it has seen.",
                hint="leave these rows out, or join rare levels before the fit",
            )
        found[~missing] = np.array([place.get(str(label), np.nan) for label in labels] or [np.nan])[codes]
        return found


def _levels(column: Column) -> tuple[str, ...]:
    missing = column.missing()
    if missing.all() and len(missing):
        raise MissingValues(
            f"Covariate {column.name!r} is missing in every row; it says nothing.", hint=f"leave {column.name!r} out"
        )
    if not isinstance(column, Categories):
        _ = _numbers(column)
        return ()
    _, levels = column.take(~missing).distinct()
    if len(levels) > MOST_CATEGORIES:
        raise InvalidSetting(
            f"Covariate {column.name!r} has {len(levels):,} levels; a forest splits at most {MOST_CATEGORIES}.",
            hint=f"group the rare levels of {column.name!r}, or leave it out if it is an identifier",
        )
    return tuple(str(level) for level in levels)


def _numbers(column: Column) -> FloatArray:
    if not isinstance(column, Numbers):
        what = column.what if not isinstance(column, Categories) else "text"
        raise NonNumeric(
            f"Covariate {column.name!r} holds {what}; a forest needs numbers here.",
            hint="give the column as it was in the data, or derive a number or a category from it",
        )
    if np.isinf(column.values).any():
        raise InfiniteValues(
            f"Covariate {column.name!r} is infinite in {int(np.isinf(column.values).sum()):,} rows; a forest needs "
            "numbers, or gaps for missing ones.",
            hint=f"set these values of {column.name!r} to missing, or correct them",
        )
    return column.values


def sources(covariates: Covariates) -> tuple[str, ...]:
    """The data columns behind a design matrix, one for each column of `folded`."""
    return tuple(dict.fromkeys(covariates.source))


def category_places(covariates: Covariates) -> tuple[int, ...]:
    """Which columns of `folded` hold codes of categories."""
    return tuple(j for j, (name, places) in enumerate(_places(covariates)) if _is_category(covariates, name, places))


def folded(matrix: FloatArray, covariates: Covariates) -> FloatArray:
    """A design matrix as a forest sees it: the indicators of a category in one column of codes, gaps as NaN.

    The first level, which has no indicator, is 0; the missing ones of `keep_gaps` are a level of their own. Rows of new
    data come this way too, after `design_matrix`.
    """
    restored, found = gaps_restored(matrix, covariates), np.empty((len(matrix), len(sources(covariates))))
    for j, (name, places) in enumerate(_places(covariates)):
        if _is_category(covariates, name, places):
            found[:, j] = restored[:, places] @ np.arange(1.0, len(places) + 1.0)
        else:
            found[:, j] = restored[:, places[0]]
    return found


def _places(covariates: Covariates) -> list[tuple[str, list[int]]]:
    return [(name, [j for j, s in enumerate(covariates.source) if s == name]) for name in sources(covariates)]


def _is_category(covariates: Covariates, name: str, places: list[int]) -> bool:
    return [covariates.columns[j] for j in places] != [name]
