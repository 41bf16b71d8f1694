"""CSV and Parquet files, one or many, read by DuckDB."""

from __future__ import annotations

import csv
import difflib
import glob
import gzip
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np

from butfor.core.errors import InvalidSetting, UnreadableData
from butfor.data.executors.duckdb import (
    TableExecutor,
    batches_of_relation,
    open_table,
    rows_of_relation,
    unrepeated,
)
from butfor.data.executors.duckdb_text import readable
from butfor.data.executors.moments_in_duckdb import moments_in_duckdb
from butfor.data.executors.moments_of_rows import moments_of_rows
from butfor.data.moments import MomentRequest, Moments
from butfor.data.rows import Categories, Column, Numbers, Rows

MISSING_WORDS = ("", "NA", "N/A", "#N/A", "NaN", "nan", "NULL", "null")
"""Cells of a CSV file that count as missing."""

DELIMITERS = ",;\t|"

FIRST_ROWS, ALL_ROWS = 20_480, -1
"""How many rows of a CSV file decide the type of a column: the first ones where that is enough, else all."""


@dataclass(frozen=True)
class FileExecutor:
    """Files of one format, read one after the other as one table."""

    path: str
    files: tuple[str, ...]
    format: Literal["csv", "parquet"]

    def columns(self) -> tuple[str, ...]:
        """All column names, in order."""
        if self.format == "csv":
            return _header(self.files[0])[0]
        with self._relation() as relation:
            return unrepeated(relation.columns)

    def source(self) -> str:
        """The source in a few words."""
        return self.path

    def read(self, columns: Sequence[str]) -> Rows:
        """These columns, in memory."""
        if self.format == "parquet":
            return self._scan(columns)
        try:
            rows = self._scan(columns, FIRST_ROWS)
            if all(isinstance(rows.columns[name], Numbers) for name in columns):
                return rows
        except UnreadableData:
            pass  # a later row may not fit what the first rows look like: look at all of them
        try:
            return _with_infinite_numbers(self._scan(columns, ALL_ROWS))
        except UnreadableData:
            for file in self.files:
                _find_broken_line(file)
            raise

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[Rows]:
        """These columns, so many rows at a time; all rows of a CSV file decide the types of its columns."""
        with self._relation() as relation:
            for batch in batches_of_relation(relation, columns, rows, self.path):
                yield _with_infinite_numbers(batch) if self.format == "csv" else batch

    def moments(self, request: MomentRequest) -> Moments:
        """Additive statistics: of Parquet files where they are, of CSV files once their types are known."""
        if self.format == "parquet":
            with self._relation() as relation:
                return moments_in_duckdb(relation, request, self.path)
        return moments_of_rows(self.read(sorted(request.columns)), request)

    def _scan(self, columns: Sequence[str], sniffed: int = ALL_ROWS) -> Rows:
        with self._relation(sniffed) as relation:
            return rows_of_relation(relation, columns, self.path)

    @contextmanager
    def _relation(self, sniffed: int = ALL_ROWS) -> Generator[Any]:
        """The files as a DuckDB relation; types of CSV columns are those of the first `sniffed` rows."""
        import duckdb

        literal = [glob.escape(file) for file in self.files]
        with readable(self.path), duckdb.connect() as connection:
            if self.format == "parquet":
                yield connection.read_parquet(literal)
                return
            parameters = {
                "files": literal,
                "delimiter": _header(self.files[0])[1],
                "missing": list(MISSING_WORDS),
                "sniffed": sniffed,
            }
            yield connection.sql(
                "SELECT * FROM read_csv($files, delim=$delimiter, quote='\"', escape='\"', header=true, comment='', "
                "nullstr=$missing, sample_size=$sniffed, files_to_sniff=-1, strict_mode=true, null_padding=false)",
                params=parameters,
            )


def _with_infinite_numbers(rows: Rows) -> Rows:
    """A CSV column of numbers in which some cells say inf: numbers all the same, so that they are found as infinite."""
    columns = {name: _as_numbers(column) for name, column in rows.columns.items()}
    return replace(rows, columns=columns)


def _as_numbers(column: Column) -> Column:
    if not isinstance(column, Categories):
        return column
    try:
        levels = np.array([float(level) for level in column.levels])
    except ValueError:
        return column
    if not np.isinf(levels).any():
        return column
    return Numbers(column.name, np.where(column.codes < 0, np.nan, levels[column.codes]))


def open_path(path: str, table: str | None) -> FileExecutor | TableExecutor:
    """The executor of a file or of a glob of files.

    Raises:
        UnreadableData: no such file (with the nearest name), an empty one, or one of a kind that is not known.
        InvalidSetting: `table` with a file that has none.
    """
    files = (path,) if Path(path).exists() else tuple(sorted(glob.glob(path, recursive=True)))
    if not files:
        raise _not_found(path)
    for file in files:
        _check_readable(file)
    formats = {_format(file) for file in files}
    if formats == {"duckdb"} and len(files) == 1:
        return open_table(path, table)
    if len(formats) != 1 or formats == {"duckdb"}:
        raise UnreadableData(
            f"{path} matches {len(files)} files of different kinds; one table needs files of one kind.",
            hint="name the kind in the pattern, such as folder/*.parquet",
        )
    if table is not None:
        raise InvalidSetting(
            f"table is {table!r}; {path} needs none, as only DuckDB files have tables.", hint="leave table out"
        )
    return FileExecutor(path, files, "csv" if formats == {"csv"} else "parquet")


def _not_found(path: str) -> UnreadableData:
    if glob.has_magic(path):
        return UnreadableData(
            f"{path} matches no file; a glob needs at least one.", hint="check the folder and the ending of the pattern"
        )
    folder, name = Path(path).parent, Path(path).name
    if not folder.is_dir():
        return UnreadableData(
            f"File {path} does not exist, nor does its folder; an analysis needs a file that exists.",
            hint=f"the path is taken from the working directory {Path.cwd()}",
        )
    near = difflib.get_close_matches(name, [f.name for f in folder.iterdir()], n=1)
    hint = (
        f"did you mean {str(folder / near[0])!r}?"
        if near
        else f"the path is taken from the working directory {Path.cwd()}"
    )
    return UnreadableData(f"File {path} does not exist; an analysis needs a file that exists.", hint=hint)


def _check_readable(file: str) -> None:
    if Path(file).is_dir():
        raise UnreadableData(f"{file} is a folder; an analysis needs a file.", hint=f"{Path(file) / '*.parquet'}")
    try:
        with open(file, "rb") as stream:
            empty = not stream.read(1)
    except OSError as error:
        raise UnreadableData(
            f"File {file} cannot be opened ({error.strerror}).", hint="check the permissions of the file"
        ) from error
    if empty:
        raise UnreadableData(f"File {file} is empty; an analysis needs columns and rows.", hint="write the file again")


def _format(file: str) -> Literal["csv", "parquet", "duckdb"]:
    name = file.lower()
    if name.endswith((".csv", ".csv.gz", ".tsv", ".tsv.gz")):
        return "csv"
    if name.endswith((".parquet", ".pq")):
        return "parquet"
    with open(file, "rb") as stream:
        start = stream.read(12)
    if start[8:] == b"DUCK" or name.endswith((".duckdb", ".ddb", ".db")):
        return "duckdb"
    if start[:4] == b"PAR1":
        return "parquet"
    raise UnreadableData(
        f"File {file} is of a kind that is not known; data files need the ending .csv, .csv.gz, .parquet or .duckdb.",
        hint="rename the file, or read it yourself and give the frame",
    )


def _open(file: str) -> BinaryIO | gzip.GzipFile:
    return gzip.open(file, "rb") if file.lower().endswith(".gz") else open(file, "rb")


def _lines(file: str) -> Iterator[str]:
    """The lines of a text file, or an error that names the line that is not UTF-8."""
    number = 0
    try:
        with _open(file) as stream:
            for number, line in enumerate(stream, 1):
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableData(
            f"Line {number} of {file} is not UTF-8 text ({error.reason}); a CSV needs one encoding throughout.",
            hint="save the file as UTF-8",
        ) from error
    except (OSError, EOFError) as error:
        raise UnreadableData(
            f"File {file} breaks off after line {number} ({error}); a compressed CSV needs to be complete.",
            hint="copy the file again",
        ) from error


def _header(file: str) -> tuple[tuple[str, ...], str]:
    """The column names of a CSV file, and the delimiter: whichever splits the first line most."""
    splits = {delimiter: _first_record([next(_lines(file), "")], delimiter) for delimiter in DELIMITERS}
    delimiter = max(DELIMITERS, key=lambda d: len(splits[d]))
    names = _first_record(_lines(file), delimiter)
    if not any(names):
        raise UnreadableData(
            f"Line 1 of {file} is blank; a CSV needs the column names in its first line.", hint="write the names there"
        )
    return unrepeated(names), delimiter


def _first_record(lines: Iterable[str], delimiter: str) -> list[str]:
    for record in csv.reader(lines, delimiter=delimiter):
        return record
    return []


def _find_broken_line(file: str) -> None:
    """Say which line of a CSV file cannot be right, if one can be found."""
    names, delimiter = _header(file)
    reader = csv.reader(_lines(file), delimiter=delimiter, strict=True)
    start = 1
    try:
        for fields in reader:
            if fields and len(fields) != len(names):
                raise UnreadableData(
                    f"Line {start} of {file} has {len(fields)} fields; a CSV with {len(names)} columns needs "
                    f"{len(names)} in every line.",
                    hint=f"open {file} at line {start}: is there a text with {delimiter!r} and no quotes?",
                )
            start = reader.line_num + 1
    except csv.Error as error:
        raise UnreadableData(
            f"Line {start} of {file} starts a record that is broken ({error}); a CSV needs its quotes closed.",
            hint=f"open {file} at line {start} and close the quotation mark",
        ) from error
