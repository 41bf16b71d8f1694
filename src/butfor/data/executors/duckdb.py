"""DuckDB relations, and tables of DuckDB files."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from butfor.core.errors import InvalidSetting, UnreadableData, did_you_mean
from butfor.data.executors.duckdb_text import quoted, readable
from butfor.data.executors.from_arrow import column_of_arrow
from butfor.data.executors.moments_in_duckdb import moments_in_duckdb
from butfor.data.moments import MomentRequest, Moments
from butfor.data.rows import Rows


@dataclass(frozen=True, eq=False)
class RelationExecutor:
    """A relation on the user's own connection: it is evaluated each time it is read."""

    relation: Any

    def columns(self) -> tuple[str, ...]:
        """All column names, in order."""
        return unrepeated(self.relation.columns)

    def source(self) -> str:
        """The source in a few words."""
        return "DuckDB relation"

    def read(self, columns: Sequence[str]) -> Rows:
        """These columns, in memory."""
        return rows_of_relation(self.relation, columns, self.source())

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[Rows]:
        """These columns, so many rows at a time."""
        return batches_of_relation(self.relation, columns, rows, self.source())

    def moments(self, request: MomentRequest) -> Moments:
        """Additive statistics, in one scan or two."""
        return moments_in_duckdb(self.relation, request, self.source())


@dataclass(frozen=True)
class TableExecutor:
    """A table or view of a DuckDB file, which is opened read-only for each scan."""

    path: str
    table: str

    def columns(self) -> tuple[str, ...]:
        """All column names, in order."""
        with self._relation() as relation:
            return unrepeated(relation.columns)

    def source(self) -> str:
        """The source in a few words."""
        return f"{self.path}, table {self.table}"

    def read(self, columns: Sequence[str]) -> Rows:
        """These columns, in memory."""
        with self._relation() as relation:
            return rows_of_relation(relation, columns, self.source())

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[Rows]:
        """These columns, so many rows at a time."""
        with self._relation() as relation:
            yield from batches_of_relation(relation, columns, rows, self.source())

    def moments(self, request: MomentRequest) -> Moments:
        """Additive statistics, in one scan or two."""
        with self._relation() as relation:
            return moments_in_duckdb(relation, request, self.source())

    @contextmanager
    def _relation(self) -> Generator[Any]:
        import duckdb

        with readable(self.path), duckdb.connect(self.path, read_only=True) as connection:
            yield connection.sql(f"SELECT * FROM {'.'.join(quoted(part) for part in self.table.split('.'))}")


def open_table(path: str, table: str | None) -> TableExecutor:
    """The executor of a table in a DuckDB file.

    Raises:
        InvalidSetting: without `table`, or with one that the file does not have.
    """
    import duckdb

    with readable(path), duckdb.connect(path, read_only=True) as connection:
        found = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables WHERE table_catalog = current_database()"
        ).fetchall()
    names = sorted(name if schema == "main" else f"{schema}.{name}" for schema, name in found)
    if table is None:
        raise InvalidSetting(
            f"table is not given; a DuckDB file ({Path(path).name}) needs the name of a table.",
            hint=f"table={names[0]!r}" if len(names) == 1 else did_you_mean("", names),
        )
    if table not in names:
        raise InvalidSetting(
            f"table is {table!r}; an analysis needs a table that {Path(path).name} has.",
            hint=did_you_mean(table, names),
        )
    return TableExecutor(path, table)


def rows_of_relation(relation: Any, columns: Sequence[str], source: str) -> Rows:
    """The columns of a relation, in memory.

    Raises:
        UnreadableData: when DuckDB cannot evaluate it.
    """
    with readable(source):
        table = relation.project(", ".join(quoted(name) for name in columns)).to_arrow_table()
    return Rows.of((column_of_arrow(name, table[name]) for name in columns), table.num_rows, source=source)


def batches_of_relation(relation: Any, columns: Sequence[str], rows: int, source: str) -> Iterator[Rows]:
    """The columns of a relation, so many rows at a time.

    Raises:
        UnreadableData: when DuckDB cannot evaluate it.
    """
    with readable(source):
        chosen = relation.project(", ".join(quoted(name) for name in columns))
        # The name before DuckDB 1.5, deprecated since.
        stream = getattr(chosen, "to_arrow_reader", None) or chosen.fetch_record_batch
        for batch in stream(rows):
            found = (column_of_arrow(name, batch.column(j)) for j, name in enumerate(columns))
            yield Rows.of(found, batch.num_rows, source=source)


def unrepeated(names: Sequence[str]) -> tuple[str, ...]:
    """The names, each of which must be there once."""
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise UnreadableData(
            f"A column name is repeated ({', '.join(map(repr, repeated))}); a table needs every name once.",
            hint="rename the columns",
        )
    return tuple(names)
