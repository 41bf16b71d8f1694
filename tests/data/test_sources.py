"""Every kind of source gives the same sample, and the caller's data stay as they are."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from butfor.core.errors import InvalidSetting, UnknownColumn, UnreadableData
from butfor.data import Request, Sample, draw_sample, open_dataset, sample_request
from butfor.question import Question

N = 40
GENERATOR = np.random.default_rng(5)
DATA: dict[str, Any] = {
    "quit": np.arange(N) % 2,
    "kg": np.round(GENERATOR.normal(size=N), 6),
    "age": GENERATOR.integers(25, 75, N),
    "race": np.array(["white", "black", "asian"], dtype=object)[np.arange(N) % 3],
    "active": np.arange(N) % 5 == 0,
    "village": np.arange(N) // 4,
    "share": np.round(GENERATOR.uniform(0.5, 2.0, N), 6),
}
QUESTION = Question("quit", "kg", modifiers=("race", "age"))
ADJUST_FOR = ("age", "race", "active")


def frame() -> pd.DataFrame:
    return pd.DataFrame(DATA)


def csv_file(folder: Path, **options: Any) -> str:
    frame().to_csv(folder / "data.csv", index=False, **options)
    return str(folder / "data.csv")


def gzipped(folder: Path) -> str:
    frame().to_csv(folder / "data.csv.gz", index=False)
    return str(folder / "data.csv.gz")


def parquet_file(folder: Path) -> Path:
    frame().to_parquet(folder / "data.parquet")
    return folder / "data.parquet"


def parquet_glob(folder: Path) -> str:
    for part in range(4):
        frame()[part * 10 : part * 10 + 10].to_parquet(folder / f"part{part}.parquet")
    return str(folder / "part*.parquet")


def csv_glob(folder: Path) -> str:
    for part in range(4):
        frame()[part * 10 : part * 10 + 10].to_csv(folder / f"part{part}.csv", index=False)
    return str(folder / "part*.csv")


def chunked(_: Path) -> pa.Table:
    table = pa.Table.from_pandas(frame(), preserve_index=False)
    return pa.concat_tables([table.slice(0, 7), table.slice(7, 0), table.slice(7)])


def relation(_: Path) -> duckdb.DuckDBPyRelation:
    return duckdb.connect().from_arrow(pa.Table.from_pandas(frame(), preserve_index=False))


def dictionary(_: Path) -> pa.Table:
    table = pa.Table.from_pandas(frame(), preserve_index=False)
    first, second = (part["race"].combine_chunks().dictionary_encode() for part in (table.slice(0, 2), table.slice(2)))
    return table.set_column(3, "race", pa.chunked_array([first, second.cast(first.type)]))


def narrow(_: Path) -> pd.DataFrame:
    return frame().astype(
        {"quit": "uint8", "age": "int16", "race": pd.CategoricalDtype(["white", "black", "asian", "x"])}
    )


SOURCES: dict[str, Callable[[Path], Any]] = {
    "pandas": lambda _: frame(),
    "pandas object text": lambda _: frame().astype({"race": object, "active": object, "age": object}),
    "pandas nullable": lambda _: frame().convert_dtypes(),
    "pandas arrow": lambda _: frame().convert_dtypes(dtype_backend="pyarrow"),
    "pandas categorical, narrow integers": narrow,
    "pandas float treatment": lambda _: frame().astype({"quit": float, "age": float}),
    "polars": lambda _: pl.DataFrame(DATA | {"race": DATA["race"].tolist()}),
    "polars enum": lambda _: pl.from_pandas(frame()).cast({"race": pl.Enum(["white", "black", "asian", "other"])}),
    "polars categorical": lambda _: pl.from_pandas(frame()).cast({"race": pl.Categorical}),
    "polars decimal": lambda _: pl.from_pandas(frame()).cast({"kg": pl.Decimal(20, 6), "share": pl.Decimal(20, 6)}),
    "polars lazy": lambda _: pl.from_pandas(frame()).lazy(),
    "pyarrow": lambda _: pa.Table.from_pandas(frame(), preserve_index=False),
    "pyarrow chunked": chunked,
    "pyarrow dictionary": dictionary,
    "duckdb relation": relation,
    "dict of arrays": lambda _: dict(DATA),
    "dict of lists": lambda _: {name: values.tolist() for name, values in DATA.items()},
    "dict of series": lambda _: {
        name: (pd.Series if i % 2 else pl.Series)(v.tolist()) for i, (name, v) in enumerate(DATA.items())
    },
    "dict of arrow arrays": lambda _: {name: pa.array(values.tolist()) for name, values in DATA.items()},
    "csv": csv_file,
    "csv with semicolons": lambda folder: csv_file(folder, sep=";"),
    "csv with a byte order mark": lambda folder: csv_file(folder, encoding="utf-8-sig"),
    "csv with quotes and CRLF": lambda folder: csv_file(folder, quoting=1, lineterminator="\r\n"),
    "csv.gz": gzipped,
    "csv glob": csv_glob,
    "parquet": parquet_file,
    "parquet glob": parquet_glob,
}


def sample_of(source: Any, **roles: Any) -> Sample:
    roles = {"weights": "share", "cluster": "village", **roles}
    rows = open_dataset(source).read(sample_request(QUESTION, ADJUST_FOR, **roles))
    return draw_sample(rows, QUESTION, ADJUST_FOR, **roles)


def assert_identical(a: Sample, b: Sample) -> None:
    assert np.array_equal(a.outcome, b.outcome)
    assert a.outcome.dtype == b.outcome.dtype
    assert np.array_equal(a.treatment.values, b.treatment.values)
    assert np.array_equal(a.treatment.codes, b.treatment.codes)
    assert repr((a.treatment.kind, a.treatment.levels, a.treatment.contrasts, a.treatment.terms)) == repr(
        (b.treatment.kind, b.treatment.levels, b.treatment.contrasts, b.treatment.terms)
    )
    assert np.array_equal(a.covariates.matrix, b.covariates.matrix)
    assert (a.covariates.columns, a.covariates.source) == (b.covariates.columns, b.covariates.source)
    assert [g.label for g in a.subgroups] == [g.label for g in b.subgroups]
    assert all(np.array_equal(g.rows, h.rows) for g, h in zip(a.subgroups, b.subgroups, strict=True))
    assert a.weights is not None
    assert b.weights is not None
    assert np.array_equal(a.weights, b.weights)
    assert a.cluster is not None
    assert b.cluster is not None
    assert np.array_equal(a.cluster.codes, b.cluster.codes)
    assert np.array_equal(a.row_key, b.row_key)
    assert a.fingerprint == b.fingerprint


@pytest.mark.parametrize("kind", SOURCES)
def test_every_source_gives_the_same_bits(kind: str, tmp_path: Path) -> None:
    assert_identical(sample_of(SOURCES[kind](tmp_path)), sample_of(DATA))


def test_duckdb_tables_and_views_give_the_same_bits(tmp_path: Path) -> None:
    path = tmp_path / "study.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.register("source", frame())
        connection.execute(
            'CREATE TABLE "my table" AS FROM source; CREATE SCHEMA other; CREATE TABLE other.t AS FROM source'
        )
        connection.execute('CREATE VIEW seen AS FROM "my table"')
    for table in ("my table", "seen", "other.t"):
        dataset = open_dataset(path, table=table)
        assert dataset.columns == tuple(DATA)
        assert dataset.describe_source() == f"{path}, table {table}"
        assert_identical(sample_of(dataset), sample_of(DATA))


def test_the_data_by_hand() -> None:
    sample = sample_of(DATA, cluster=None, weights=None, keep=("share",))
    assert sample.covariates.columns == ("age", "race=black", "race=white", "active")
    assert sample.covariates.source == ("age", "race", "race", "active")
    expected = [DATA["age"], DATA["race"] == "black", DATA["race"] == "white", DATA["active"]]
    assert np.array_equal(sample.covariates.matrix, np.column_stack(expected).astype(float))
    assert sample.treatment.levels == (0, 1)
    assert sample.treatment.terms == ("quit: 1 - 0",)
    assert np.array_equal(sample.extra["share"], DATA["share"])
    assert sample.n == N
    assert sample.loss.rows_read == N == sample.loss.rows_used
    assert [g.label for g in sample.subgroups[:3]] == ["race = asian", "race = black", "race = white"]


def test_source_descriptions(tmp_path: Path) -> None:
    path = csv_file(tmp_path)
    assert open_dataset(frame()).describe_source() == "pandas.DataFrame (40 rows)"
    assert open_dataset(pl.from_pandas(frame())).describe_source() == "polars.DataFrame (40 rows)"
    assert open_dataset(pl.LazyFrame(DATA["quit"])).describe_source() == "polars.LazyFrame"
    assert open_dataset(chunked(tmp_path)).describe_source() == "pyarrow.Table (40 rows)"
    assert open_dataset(DATA).describe_source() == "dict of arrays (40 rows)"
    assert open_dataset(relation(tmp_path)).describe_source() == "DuckDB relation"
    assert open_dataset(path).describe_source() == path
    assert sample_of(path).source == path


def test_the_callers_data_are_not_written_to() -> None:
    pandas, arrays = frame(), {name: values.copy() for name, values in DATA.items()}
    before = pandas.copy(deep=True)
    sample_of(pandas)
    sample_of(arrays)
    pd.testing.assert_frame_equal(pandas, before)
    for name, values in arrays.items():
        assert values.flags.writeable
        assert np.array_equal(values, DATA[name])


def test_later_changes_to_the_callers_data_change_nothing() -> None:
    pandas, arrays = frame(), {name: values.copy() for name, values in DATA.items()}
    lists, polars = {name: values.tolist() for name, values in DATA.items()}, pl.from_pandas(frame())
    series = {name: pd.Series(values.copy()) for name, values in DATA.items()}
    kept = [open_dataset(source) for source in (pandas, arrays, lists, polars, series)]
    drawn = [sample_of(dataset) for dataset in kept]
    pandas.loc[3, "kg"], arrays["kg"][3], lists["kg"][3], polars[3, "kg"], series["kg"][3] = (
        99.0,
        99.0,
        99.0,
        99.0,
        99.0,
    )
    pandas["quit"] = 0
    for dataset, sample in zip(kept, drawn, strict=True):
        assert_identical(sample, sample_of(DATA))
        assert_identical(sample_of(dataset), sample_of(DATA))


def test_samples_are_read_only() -> None:
    sample = sample_of(frame())
    for array in (sample.outcome, sample.covariates.matrix, sample.treatment.values, sample.row_key, sample.weights):
        assert array is not None
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_unknown_columns_name_the_nearest() -> None:
    with pytest.raises(UnknownColumn, match="did you mean 'village'"):
        open_dataset(DATA).read(Request(frozenset({"vilage"})))
    with pytest.raises(InvalidSetting):
        open_dataset(DATA).read(Request())


def test_odd_frames() -> None:
    twice = pa.table([[1], [2]], names=["a", "a"])
    for source in (twice, pd.DataFrame([[1, 2]], columns=["a", "a"])):
        with pytest.raises(UnreadableData, match="'a' 2 times"):
            open_dataset(source)
    for source in (pd.DataFrame({0: [1]}), {0: [1]}):
        with pytest.raises(UnreadableData, match="Column name 0 is not text"):
            open_dataset(source)
    for source in (3, None, [1, 2], object()):
        with pytest.raises(UnreadableData, match="needs a frame"):
            open_dataset(source)
    with pytest.raises(UnreadableData, match="different lengths"):
        open_dataset({"a": [1, 2], "b": [1]})
    for column in (np.ones((2, 2)), 3, "text"):
        with pytest.raises(UnreadableData, match="one value per row"):
            open_dataset({"a": column})
    with pytest.raises(InvalidSetting, match="only DuckDB files have tables"):
        open_dataset(frame(), table="t")


def test_requests_merge() -> None:
    assert Request(frozenset("ab")) | Request(frozenset("bc")) == Request(frozenset("abc"))


def test_engines_are_imported_when_used() -> None:
    program = (
        "import sys; import butfor.data; heavy = {'pandas', 'polars', 'pyarrow', 'duckdb', 'narwhals', 'scipy'}; "
        "assert not heavy & set(sys.modules), heavy & set(sys.modules); "
        "d = butfor.data.open_dataset({'a': [1.0]}); d.read(butfor.data.Request(frozenset('a'))); "
        "assert not (heavy - {'narwhals'}) & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_closed_connection_is_reported() -> None:
    connection = duckdb.connect()
    dataset = open_dataset(connection.sql("SELECT 1 AS a"))
    connection.close()
    with pytest.raises(UnreadableData, match="DuckDB relation"):
        dataset.read(Request(frozenset("a")))


def test_hostile_column_names(tmp_path: Path) -> None:
    names = ["my dose", 'the "dose"', "Größe, cm", "x';--", "a.b", "$files", "*"]
    table = pa.table({name: [1.0, 2.0, 4.0] for name in names})
    pq.write_table(table, tmp_path / "odd name [1].parquet")
    table.to_pandas().to_csv(tmp_path / "odd, [a] name.csv", index=False)
    sources = (
        table,
        table.to_pandas(),
        pl.from_arrow(table).lazy(),
        duckdb.connect().from_arrow(table),
        tmp_path / "odd name [1].parquet",
        tmp_path / "odd, [a] name.csv",
    )
    for source in sources:
        dataset = open_dataset(source)
        assert dataset.columns == tuple(names)
        rows = dataset.read(Request(frozenset(names[1:])))
        assert all(rows.columns[name].values.tolist() == [1.0, 2.0, 4.0] for name in names[1:])
