"""Files that cannot be read, and cells that mean missing."""

from __future__ import annotations

import gzip
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from butfor.core.errors import InvalidSetting, TooFewRows, UnreadableData
from butfor.data import Request, Rows, draw_sample, open_dataset
from butfor.question import Question

HEAD = "a,b,c\n"
GOOD = "".join(f"{i},{i * 2},x{i % 3}\n" for i in range(5))


def read(path: Path | str, *columns: str) -> Rows:
    dataset = open_dataset(path)
    return dataset.read(Request(frozenset(columns or dataset.columns)))


def written(folder: Path, text: str | bytes, name: str = "data.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("7,8,9,10\n", "Line 7 of .* has 4 fields; a CSV with 3 columns needs 3"),
        ("7,8\n", "Line 7 of .* has 2 fields"),
        ('7,8,"abc\n', "Line 7 of .* starts a record that is broken"),
        ('"7\n7",8,9,9\n', "Line 7 of .* has 4 fields"),
    ],
)
@pytest.mark.parametrize("column", ["a", "c"])
def test_a_broken_line_is_named(broken: str, message: str, column: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableData, match=message):
        read(written(tmp_path, HEAD + GOOD + broken + GOOD), column)


def test_a_broken_line_far_down_is_named(tmp_path: Path) -> None:
    text = "a,b\n" + "1,2\n" * 30_000 + "3\n" + "1,2\n"
    with pytest.raises(UnreadableData, match=r"Line 30002 of .* has 1 fields"):
        read(written(tmp_path, text))


def test_a_broken_line_in_the_second_file_is_named(tmp_path: Path) -> None:
    written(tmp_path, HEAD + GOOD, "p1.csv")
    written(tmp_path, HEAD + GOOD + "1,2\n", "p2.csv")
    with pytest.raises(UnreadableData, match=r"Line 7 of .*p2.csv has 2 fields"):
        read(tmp_path / "p*.csv")


def test_text_that_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(UnreadableData, match=r"Line 3 of .* is not UTF-8"):
        read(written(tmp_path, b"a,b\n1,2\n1,\xe9\n"))
    with pytest.raises(UnreadableData):
        read(written(tmp_path, np.random.default_rng(0).bytes(3000)))
    whole = gzip.compress((HEAD + GOOD * 2000).encode())
    with pytest.raises(UnreadableData, match=r"data.csv.gz"):
        read(written(tmp_path, whole[:-40], "data.csv.gz"))
    with pytest.raises(UnreadableData, match=r"Line 1 of .* is blank"):
        open_dataset(written(tmp_path, "\n1,2\n"))
    with pytest.raises(UnreadableData, match="repeated \\('a'\\)"):
        open_dataset(written(tmp_path, "a,b,a\n1,2,3\n"))


def test_types_are_decided_by_all_rows(tmp_path: Path) -> None:
    many = 30_000
    text = "late_decimal,late_number,late_text\n" + "1,,1\n" * many + "1.5,2.5,oops\n"
    rows = read(written(tmp_path, text))
    assert rows.columns["late_decimal"].values[-1] == 1.5
    assert rows.columns["late_number"].values[-1] == 2.5
    assert np.isnan(rows.columns["late_number"].values[:many]).all()
    assert rows.columns["late_text"].levels == ("1", "oops")


def test_types_are_decided_by_all_files(tmp_path: Path) -> None:
    for part in range(15):
        written(tmp_path, f"a\n{part if part < 14 else 1.5}\n", f"p{part:02}.csv")
    assert read(tmp_path / "p*.csv").columns["a"].values.tolist() == [*range(14), 1.5]


def test_missing_cells(tmp_path: Path) -> None:
    rows = read(written(tmp_path, "a,b,c\n1,NA,x\nNaN,2.5,\nnull,N/A,NA\n"))
    assert np.array_equal(rows.columns["a"].values, [1, np.nan, np.nan], equal_nan=True)
    assert np.array_equal(rows.columns["b"].values, [np.nan, 2.5, np.nan], equal_nan=True)
    assert rows.columns["c"].codes.tolist() == [0, -1, -1]
    assert rows.columns["c"].levels == ("x",)


def test_headers(tmp_path: Path) -> None:
    assert open_dataset(written(tmp_path, "only\n1\n2\n")).columns == ("only",)
    assert open_dataset(written(tmp_path, 'a;"b;c"\n1;2\n')).columns == ("a", "b;c")
    assert open_dataset(written(tmp_path, "a\tb\n1\t2\n", "data.tsv")).columns == ("a", "b")
    rows = read(written(tmp_path, "name,group\nx,y\nz,w\n"))
    assert rows.columns["name"].levels == ("x", "z")
    assert rows.n == 2
    rows = read(written(tmp_path, "#a,b\n1,#2\n3,4\n"))
    assert rows.columns["b"].levels == ("#2", "4")


def test_no_rows(tmp_path: Path) -> None:
    rows = read(written(tmp_path, HEAD))
    with pytest.raises(TooFewRows, match="have 0 rows"):
        draw_sample(rows, Question("a", "b"), ("c",))


def test_empty_and_absent_files(tmp_path: Path) -> None:
    written(tmp_path, HEAD + GOOD, "customers.csv")
    with pytest.raises(UnreadableData, match="is empty"):
        open_dataset(written(tmp_path, "", "nothing.csv"))
    with pytest.raises(UnreadableData, match=r"did you mean '.*customers.csv'"):
        open_dataset(tmp_path / "costumers.csv")
    with pytest.raises(UnreadableData, match="nor does its folder"):
        open_dataset(tmp_path / "folder" / "data.csv")
    with pytest.raises(UnreadableData, match="does not exist"):
        open_dataset(tmp_path / "zzzzzz.parquet")
    with pytest.raises(UnreadableData, match="matches no file"):
        open_dataset(tmp_path / "*.parquet")
    with pytest.raises(UnreadableData, match="is a folder"):
        open_dataset(tmp_path)
    with pytest.raises(UnreadableData, match="kind that is not known"):
        open_dataset(written(tmp_path, "hello there, this is text", "data.xyz"))
    written(tmp_path, HEAD, "a1.csv")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "a1.parquet")
    with pytest.raises(UnreadableData, match="different kinds"):
        open_dataset(tmp_path / "a1.*")
    with pytest.raises(InvalidSetting, match="only DuckDB files have tables"):
        open_dataset(tmp_path / "a1.csv", table="t")


def test_parquet_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    pd.DataFrame({"a": np.arange(1000.0), "b": np.arange(1000.0)}).to_parquet(path)
    whole = path.read_bytes()
    for part in (whole[: len(whole) // 2], whole[:6], b"not parquet at all", whole[len(whole) // 2 :][:-4]):
        path.write_bytes(part)
        with pytest.raises(UnreadableData, match=r"data.parquet cannot be read"):
            read(path)


def test_parquet_with_damaged_pages(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    pd.DataFrame({"a": np.random.default_rng(1).normal(size=5000)}).to_parquet(path)
    whole = bytearray(path.read_bytes())
    whole[8:400] = bytes(392)
    path.write_bytes(whole)
    with pytest.raises(UnreadableData, match="cannot be read"):
        read(path)


def test_parquet_files_with_different_columns(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1.0], "b": [1.0]}).to_parquet(tmp_path / "p1.parquet")
    pd.DataFrame({"a": [1.0]}).to_parquet(tmp_path / "p2.parquet")
    with pytest.raises(UnreadableData, match="cannot be read"):
        read(tmp_path / "p*.parquet")


def test_formats_by_content(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1.0]}).to_parquet(tmp_path / "data.bin", engine="pyarrow")
    assert open_dataset(tmp_path / "data.bin").columns == ("a",)


def test_duckdb_files(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE customers AS SELECT 1 AS a; CREATE TABLE orders AS SELECT 2 AS b")
    with pytest.raises(InvalidSetting, match="did you mean 'customers'"):
        open_dataset(path, table="costumers")
    with pytest.raises(InvalidSetting, match="choose one of 'customers', 'orders'"):
        open_dataset(path)
    with duckdb.connect(str(path)) as connection:
        connection.execute("DROP TABLE orders")
        with pytest.raises(UnreadableData, match="cannot be read"):
            open_dataset(path, table="customers")
    with pytest.raises(InvalidSetting, match="table='customers'"):
        open_dataset(path)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(UnreadableData, match="cannot be read"):
        read(open_dataset(path, table="customers"))  # type: ignore[arg-type]
