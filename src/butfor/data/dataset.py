"""Data from any frame, file or table, behind one face."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from butfor.core.errors import InvalidSetting, UnknownColumn
from butfor.data.executors.protocol import Executor
from butfor.data.moments import MomentRequest, Moments
from butfor.data.request import Request
from butfor.data.rows import Rows


@dataclass(frozen=True, eq=False)
class Dataset:
    """Where the data are, and how to read the columns that are needed.

    Attributes:
        columns: all column names, in order.
        executor: the engine that reads them.
    """

    columns: tuple[str, ...]
    executor: Executor

    def describe_source(self) -> str:
        """The source in a few words: the path as it was given, or the kind of frame."""
        return self.executor.source()

    def read(self, request: Request) -> Rows:
        """The requested columns in memory, in one scan.

        Raises:
            UnknownColumn: with the nearest name that exists.
            UnreadableData: when the engine cannot read them.
        """
        return self.executor.read(self._asked(request))

    def batches(self, request: Request, rows: int = 65_536) -> Iterator[Rows]:
        """The requested columns in the order of the rows, some rows at a time: memory does not grow with the file.

        Raises:
            UnknownColumn, UnreadableData: as for `read`.
        """
        return self.executor.batches(self._asked(request), rows)

    def moments(self, request: MomentRequest) -> Moments:
        """Means and co-moments by group, computed where the data are.

        Raises:
            UnknownColumn, UnreadableData: as for `read`.
            NonNumeric, InfiniteValues: for a measure that is not made of finite numbers.
        """
        self._asked(Request(request.columns))
        return self.executor.moments(request)

    def _asked(self, request: Request) -> list[str]:
        if not request.columns:
            raise InvalidSetting(
                "The request names no column; a scan needs one.", hint="Request(frozenset({'outcome'}))"
            )
        for name in sorted(request.columns):
            if name not in self.columns:
                raise UnknownColumn.named(name, self.columns, role="analysis")
        return [name for name in self.columns if name in request.columns]


def open_dataset(source: Any, *, table: str | None = None) -> Dataset:
    """Data from wherever they are. Nothing is read yet but the names of the columns.

    Frames and arrays are detached from the caller's: what happens to those later changes no result. Files, lazy
    frames and DuckDB relations are read again for each question.

    Args:
        source: a frame (pandas, polars eager or lazy, pyarrow, anything narwhals takes), a DuckDB relation, a dict
            of arrays, or a path: .csv, .csv.gz, .parquet, a glob of these, or a DuckDB file.
        table: the table of a DuckDB file.

    Raises:
        UnreadableData: no such file (with the nearest name), an empty or truncated one, a repeated column name.
        InvalidSetting: a table that the DuckDB file does not have (with the nearest name).

    >>> open_dataset({"dose": [0, 1], "pain": [3.5, 1.0]}).columns
    ('dose', 'pain')
    """
    if isinstance(source, Dataset):
        return source
    executor = _executor(source, table)
    return Dataset(executor.columns(), executor)


def _executor(source: Any, table: str | None) -> Executor:
    if isinstance(source, str | Path):
        from butfor.data.executors.files import open_path

        return open_path(str(source), table)
    if table is not None:
        raise InvalidSetting(
            f"table is {table!r}; a {type(source).__name__} needs none, as only DuckDB files have tables.",
            hint="leave table out",
        )
    if isinstance(source, Mapping):
        from butfor.data.executors.arrays import ArrayExecutor

        return ArrayExecutor.open(cast("Mapping[object, Any]", source))
    from narwhals.dependencies import is_duckdb_relation

    if is_duckdb_relation(source):
        from butfor.data.executors.duckdb import RelationExecutor

        return RelationExecutor(source)
    from butfor.data.executors.frame import open_frame

    return open_frame(source)
