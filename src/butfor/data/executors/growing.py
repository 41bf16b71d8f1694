"""Rows to a file, batch by batch: the way out for results that do not fit into memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import InvalidSetting, NonNumeric
from butfor.data.rows import Categories, Column, Numbers

FloatArray = NDArray[np.float64]


@dataclass
class GrowingFile:
    """A .parquet or .csv file that grows; nothing is left behind at the path when writing fails.

    Args:
        path: the file.
        names: its columns.
    """

    path: Path
    names: tuple[str, ...]
    _writer: Any = field(default=None, repr=False)
    _schema: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.path.suffix not in (".parquet", ".csv"):
            raise InvalidSetting(
                f"The target is {self.path.name!r}; effects are written to .parquet or .csv.", hint="effects.parquet"
            )

    @property
    def _growing(self) -> Path:
        return self.path.with_name(f".{self.path.name}.part")

    def __enter__(self) -> GrowingFile:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self._writer is None and kind is None:
            self.append(dict.fromkeys(self.names, np.empty(0)))
        if self._writer is not None:
            self._writer.close()
        if kind is None:
            self._growing.replace(self.path)
        else:
            self._growing.unlink(missing_ok=True)

    def append(self, columns: Mapping[str, Column | FloatArray]) -> None:
        """Append a batch.

        Raises:
            InvalidSetting: when a column holds another kind of values than before.
            NonNumeric: for a column that holds neither numbers nor text.
        """
        import pyarrow as pa

        table: Any = pa.table({name: _values(column) for name, column in columns.items()})
        if self._writer is None:
            self._schema = table.schema
            self._writer = _opened(self._growing, self.path.suffix, table.schema)
        try:
            self._writer.write_table(table.cast(self._schema))
        except pa.ArrowInvalid as error:
            raise InvalidSetting(
                f"A column to keep holds another kind of values further down ({error}); a file needs one kind.",
                hint="make it text or numbers with a fraction throughout, or leave it out",
            ) from error


def _opened(path: Path, suffix: str, schema: Any) -> Any:
    if suffix == ".parquet":
        from pyarrow.parquet import ParquetWriter

        return ParquetWriter(path, schema)
    from pyarrow.csv import CSVWriter

    return CSVWriter(path, schema)


def _values(column: Column | FloatArray) -> Any:
    """Whole numbers as such: identifiers should be found again."""
    import pyarrow as pa

    if isinstance(column, np.ndarray):
        return column
    if isinstance(column, Numbers):
        gaps = column.missing()
        if column.exact is not None:
            return pa.array(column.exact, mask=gaps)
        known = column.values[~gaps]
        whole = len(known) > 0 and bool(np.all(known == np.rint(known)))
        found = pa.array(column.values, mask=gaps)
        return found.cast(pa.int64()) if whole else found
    if isinstance(column, Categories):
        return pa.array([None if code < 0 else str(column.levels[code]) for code in column.codes], pa.string())
    raise NonNumeric(
        f"Column {column.name!r} holds {column.what}; a column to keep needs numbers or text.", hint="leave it out"
    )
