"""A dict of arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import UnreadableData
from butfor.data.executors.frame import column_of_series, detached
from butfor.data.executors.from_arrow import arrow
from butfor.data.executors.from_numpy import array_of_objects, column_of_array
from butfor.data.executors.moments_of_rows import moments_of_rows
from butfor.data.moments import MomentRequest, Moments
from butfor.data.rows import Column, Rows

Held = NDArray[Any] | nw.DataFrame[Any]
"""A private array, or a frame of one column for the series of a frame library."""


@dataclass(frozen=True, eq=False)
class ArrayExecutor:
    """Private copies of the caller's arrays: what the caller does to them later changes nothing here."""

    arrays: Mapping[str, Held]
    rows: int

    @classmethod
    def open(cls, data: Mapping[object, Any]) -> ArrayExecutor:
        """Take a private copy."""
        arrays: dict[str, Held] = {}
        for name, values in data.items():
            if not isinstance(name, str):
                raise UnreadableData(
                    f"Column name {name!r} is not text; a table needs text as column names.",
                    hint="{str(name): values for name, values in data.items()}",
                )
            arrays[name] = _held(name, values)
        lengths = {name: len(values) for name, values in arrays.items()}
        if len(set(lengths.values())) > 1:
            shown = ", ".join(f"{name!r}: {count:,}" for name, count in list(lengths.items())[:6])
            raise UnreadableData(
                f"The columns have different lengths ({shown}); a table needs the same number of values in each.",
                hint="give every column one value per row",
            )
        return cls(arrays, next(iter(lengths.values()), 0))

    def columns(self) -> tuple[str, ...]:
        """All column names, in order."""
        return tuple(self.arrays)

    def source(self) -> str:
        """The source in a few words."""
        return f"dict of arrays ({self.rows:,} rows)"

    def read(self, columns: Sequence[str]) -> Rows:
        """These columns, in memory."""
        return Rows.of((_column(name, self.arrays[name]) for name in columns), self.rows, source=self.source())

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[Rows]:
        """These columns, so many rows at a time."""
        return self.read(columns).batches(rows)

    def moments(self, request: MomentRequest) -> Moments:
        """Additive statistics of the rows in memory."""
        return moments_of_rows(self.read(sorted(request.columns)), request)


def _held(name: str, values: Any) -> Held:
    if type(values).__module__.startswith("pyarrow"):
        values = arrow().chunked_array([values]) if isinstance(values, arrow().Array) else values
    series: Any = nw.from_native(values, series_only=True, pass_through=True)
    if isinstance(series, nw.Series):
        return detached(series.alias("values").to_frame())
    if isinstance(values, np.ndarray):
        array: NDArray[Any] = cast("NDArray[Any]", values).copy()
    elif isinstance(values, str) or not isinstance(values, Iterable):
        raise UnreadableData(
            f"Column {name!r} is {values!r}; a column needs one value per row.", hint=f"{name!r}: [{values!r}, …]"
        )
    else:
        array = _array_of(list(cast("Iterable[Any]", values)))
    if array.ndim != 1:
        raise UnreadableData(
            f"Column {name!r} has {array.ndim} dimensions; a column needs one value per row.",
            hint="give every column of a matrix its own name",
        )
    array.flags.writeable = False
    return array


def _array_of(values: list[Any]) -> NDArray[Any]:
    """A list as an array: numbers, booleans and dates as such, everything else as objects."""
    objects = array_of_objects(values)
    if any(isinstance(v, str | list | tuple | dict | np.ndarray) or v is None for v in objects):
        return objects
    array = np.asarray(objects.tolist())
    return array if array.dtype.kind in "fiubmM" else objects


def _column(name: str, held: Held) -> Column:
    return column_of_array(name, held) if isinstance(held, np.ndarray) else column_of_series(name, held["values"])
