"""Rows that are read some at a time are those that are read at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from numpy.testing import assert_array_equal

import butfor as bf
from butfor.core.errors import InvalidSetting, UnknownColumn, UnreadableData
from butfor.data.request import Request
from butfor.data.rows import Categories, Numbers

ROWS = 1000
FRAME = pa.table(
    {
        "x": np.arange(ROWS) / 7,
        "gap": pa.array([None if i % 5 == 0 else float(i) for i in range(ROWS)]),
        "kind": pa.array([("a", "b", "c")[i % 3] for i in range(ROWS)]),
        "unused": np.zeros(ROWS),
    }
)
REQUEST = Request(frozenset({"x", "gap", "kind"}))


def sources(folder: Path) -> dict[str, Any]:
    pyarrow.parquet.write_table(FRAME, folder / "rows.parquet", row_group_size=300)
    pyarrow.csv.write_csv(FRAME, folder / "rows.csv")
    for part in range(2):
        pyarrow.parquet.write_table(FRAME.slice(500 * part, 500), folder / f"part-{part}.parquet")
    with duckdb.connect(str(folder / "rows.duckdb")) as connection:
        connection.register("given", FRAME)
        connection.execute("CREATE TABLE rows AS SELECT * FROM given")
    return {
        "parquet": bf.open_dataset(folder / "rows.parquet"),
        "csv": bf.open_dataset(folder / "rows.csv"),
        "glob": bf.open_dataset(folder / "part-*.parquet"),
        "table": bf.open_dataset(folder / "rows.duckdb", table="rows"),
        "relation": bf.open_dataset(duckdb.sql(f"SELECT * FROM '{folder / 'rows.parquet'}'")),
        "arrow": bf.open_dataset(FRAME),
        "pandas": bf.open_dataset(FRAME.to_pandas()),
        "polars": bf.open_dataset(pl.from_arrow(FRAME)),
        "lazy": bf.open_dataset(pl.from_arrow(FRAME).lazy()),
        "dict": bf.open_dataset({name: FRAME[name].to_pandas().to_numpy() for name in FRAME.column_names}),
    }


@pytest.mark.parametrize("size", [1, 64, 1000, 5000])
def test_batches_are_the_rows_in_their_order(tmp_path: Path, size: int) -> None:
    for name, dataset in sources(tmp_path).items():
        if size == 1 and name not in ("dict", "relation"):
            continue
        batches = list(dataset.batches(REQUEST, size))
        assert sum(batch.n for batch in batches) == ROWS, name
        assert max(batch.n for batch in batches) <= size, name
        for column in ("x", "gap"):
            parts = [batch.columns[column] for batch in batches]
            assert all(isinstance(part, Numbers) for part in parts), name
            found = np.concatenate([part.values for part in parts if isinstance(part, Numbers)])
            assert_array_equal(found, FRAME[column].to_pandas().to_numpy(), err_msg=name)
        words: list[Any] = []
        for batch in batches:
            kinds = batch.columns["kind"]
            assert isinstance(kinds, Categories)
            words += [kinds.levels[code] for code in kinds.codes]
        assert words == FRAME["kind"].to_pylist(), name


def test_a_csv_column_is_of_one_kind_though_its_first_rows_look_like_another(tmp_path: Path) -> None:
    path = tmp_path / "late.csv"
    path.write_text("x\n" + "1\n" * 30_000 + "2.5\n")
    values = [batch.columns["x"] for batch in bf.open_dataset(path).batches(Request(frozenset({"x"})), 1000)]
    assert isinstance(values[-1], Numbers)
    assert values[-1].values[-1] == 2.5


def test_nothing_comes_of_an_empty_table() -> None:
    assert list(bf.open_dataset(FRAME.slice(0, 0)).batches(REQUEST)) == []


def test_batches_refuse_what_reading_refuses(tmp_path: Path) -> None:
    dataset = bf.open_dataset(FRAME)
    with pytest.raises(UnknownColumn, match="y"):
        dataset.batches(Request(frozenset({"y"})))
    with pytest.raises(InvalidSetting, match="no column"):
        dataset.batches(Request())
    path = tmp_path / "broken.parquet"
    pyarrow.parquet.write_table(FRAME, path)
    opened = bf.open_dataset(path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UnreadableData):
        list(opened.batches(REQUEST))
