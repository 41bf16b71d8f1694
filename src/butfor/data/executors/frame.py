"""Frames in memory and lazy frames: pandas, polars, pyarrow and whatever else narwhals knows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import narwhals as nw
import numpy as np

from butfor.core.errors import UnreadableData
from butfor.data.executors.from_numpy import array_of_objects, column_of_array
from butfor.data.executors.moments_of_rows import moments_of_rows
from butfor.data.moments import MomentRequest, Moments
from butfor.data.rows import Column, Rows


@dataclass(frozen=True, eq=False)
class FrameExecutor:
    """A frame in memory, detached from the caller's."""

    frame: nw.DataFrame[Any]
    label: str

    @classmethod
    def open(cls, frame: nw.DataFrame[Any], label: str) -> FrameExecutor:
        """Detach the frame from the caller's."""
        return cls(detached(frame), f"{label} ({len(frame):,} rows)")

    def columns(self) -> tuple[str, ...]:
        """All column names, in order."""
        return tuple(self.frame.columns)

    def source(self) -> str:
        """The source in a few words."""
        return self.label

    def read(self, columns: Sequence[str]) -> Rows:
        """These columns, in memory."""
        read = (column_of_series(name, self.frame[name]) for name in columns)
        return Rows.of(read, len(self.frame), source=self.label)

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[Rows]:
        """These columns, so many rows at a time."""
        return self.read(columns).batches(rows)

    def moments(self, request: MomentRequest) -> Moments:
        """Additive statistics of the rows in memory."""
        return moments_of_rows(self.read(sorted(request.columns)), request)


@dataclass(frozen=True, eq=False)
class LazyExecutor:
    """A lazy frame: collected when read, and only the columns that are needed."""

    frame: nw.LazyFrame[Any]
    label: str

    def columns(self) -> tuple[str, ...]:
        """All column names, in order."""
        return tuple(self.frame.collect_schema().names())

    def source(self) -> str:
        """The source in a few words."""
        return self.label

    def read(self, columns: Sequence[str]) -> Rows:
        """These columns, in memory."""
        frame = self.frame.select(nw.col(*columns)).collect()
        return Rows.of((column_of_series(name, frame[name]) for name in columns), len(frame), source=self.label)

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[Rows]:
        """These columns, so many rows at a time."""
        return self.read(columns).batches(rows)

    def moments(self, request: MomentRequest) -> Moments:
        """Additive statistics of the rows in memory."""
        return moments_of_rows(self.read(sorted(request.columns)), request)


def open_frame(source: Any) -> FrameExecutor | LazyExecutor:
    """The executor of any frame that narwhals takes.

    Raises:
        UnreadableData: for anything else, for a repeated column name, or for a name that is not text.
    """
    label = f"{type(source).__module__.split('.')[0]}.{type(source).__name__}"
    try:
        frame = nw.from_native(source)
        names = list(frame.collect_schema().names())
    except TypeError as error:
        raise UnreadableData(
            f"The data are a {label}; an analysis needs a frame, a table or a path.",
            hint="give a pandas, polars or pyarrow frame, a DuckDB relation, a dict of arrays, or a path",
        ) from error
    except nw.exceptions.DuplicateError as error:
        repeated = ", ".join(line.strip("- ") for line in str(error).splitlines()[1:])
        raise UnreadableData(
            f"A column name is repeated ({repeated}); a table needs every name once.", hint="rename the columns"
        ) from error
    odd = [name for name in names if not isinstance(name, str)]
    if odd:
        raise UnreadableData(
            f"Column name {odd[0]!r} is not text; a table needs text as column names.",
            hint="frame.columns = [str(name) for name in frame.columns]",
        )
    if isinstance(frame, nw.LazyFrame):
        return LazyExecutor(cast("nw.LazyFrame[Any]", frame), label)
    return FrameExecutor.open(frame, label)


def detached(frame: nw.DataFrame[Any]) -> nw.DataFrame[Any]:
    """A frame that later changes to the caller's do not reach: a shallow copy where copies are made on write."""
    if frame.implementation.is_pandas():
        import pandas as pd

        lazy_copies = int(pd.__version__.split(".")[0]) >= 3
        return nw.from_native(frame.to_native().copy(deep=not lazy_copies), eager_only=True)
    return frame if frame.implementation.is_pyarrow() else frame.clone()


def column_of_series(name: str, series: nw.Series[Any]) -> Column:
    """A column from a series: NumPy-backed ones directly, all others through Arrow."""
    native = series.to_native()
    if series.implementation.is_pandas_like() and isinstance(native.dtype, np.dtype):
        return column_of_array(name, series.to_numpy())
    if isinstance(series.dtype, nw.Object | nw.Int128 | nw.UInt128):  # these have no Arrow form
        return column_of_array(name, array_of_objects(series.to_list()))
    from butfor.data.executors.from_arrow import arrow, column_of_arrow

    values: Any = series
    try:
        return column_of_arrow(name, values.to_arrow())
    except arrow().ArrowException:  # sparse and mixed categorical columns have no Arrow form
        return column_of_array(name, np.asarray(series.to_numpy()))
