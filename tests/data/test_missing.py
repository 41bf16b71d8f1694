"""Missing and infinite values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from butfor.core.errors import InfiniteValues, InvalidSetting, MissingValues
from butfor.data import Request, Rows, complete_rows, open_dataset

INF = float("inf")
NAN = float("nan")


def rows_of(data: Any) -> Rows:
    dataset = open_dataset(data)
    return dataset.read(Request(frozenset(dataset.columns)))


DATA = {"a": [1.0, None, NAN, 4.0], "b": ["x", "y", None, "z"], "c": [1, 2, 3, 4], "d": [True, None, True, False]}


def test_missing_values_are_named_and_counted() -> None:
    with pytest.raises(MissingValues, match=r"in 3 of the columns used \('a': 2, 'b': 1, 'd': 1; 4 rows\)") as error:
        complete_rows(rows_of(DATA), DATA)
    assert error.value.hint.startswith('missing="drop"')


def test_only_used_columns_count() -> None:
    rows, loss = complete_rows(rows_of(DATA), ["c"])
    assert rows.n == loss.rows_used == loss.rows_read == 4
    assert loss.missing == {}


def test_dropping_says_what_was_lost() -> None:
    rows, loss = complete_rows(rows_of(DATA), ["a", "b", "c"], "drop")
    assert (loss.rows_read, loss.rows_used, loss.missing) == (4, 2, {"a": 2, "b": 1})
    assert rows.n == 2
    assert rows.loss == loss
    assert rows.columns["c"].distinct()[1] == (1, 4)
    assert rows.columns["b"].distinct()[1] == ("x", "z")
    again, loss = complete_rows(rows, ["d"], "drop")
    assert again.n == 2
    assert loss.missing == {"a": 2, "b": 1}


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([1.0, None, 3.0]),
        pd.Series([1, None, 3], dtype="Int64"),
        pd.Series([1, pd.NA, 3], dtype=object),
        pd.Series([1.0, NAN, 3.0], dtype="Float64"),
        pd.Series([1.0, NAN, 3.0], dtype="float64[pyarrow]"),
        pd.Series([1.0, NAN, 3.0], dtype=pd.SparseDtype("float64")),
        pd.Series([True, None, False], dtype="boolean"),
        pd.Series(["u", None, "v"]),
        pd.Series(["u", NAN, "v"], dtype=object),
        pd.Series(["u", None, "v"], dtype="category"),
        pd.Series(pd.to_datetime(["2020", None, "2021"])),
        pd.Series(pd.to_datetime(["2020", None, "2021"], utc=True)),
        pl.Series([1.0, None, 3.0]),
        pl.Series([1.0, NAN, 3.0]),
        pl.Series(["u", None, "v"], dtype=pl.Categorical),
        pl.Series([1, None, 3], dtype=pl.Int128),
        pl.Series([1, None, 3], dtype=pl.Decimal(10, 2)),
        pa.array([1, None, 3]),
        pa.array([1, None, 3], pa.decimal128(10, 2)),
        pa.array([1, None, 3], pa.float16()),
        pa.array([[1], None, [3]]),
        pa.array([1, None, 3], pa.date32()),
        pa.array([1, None, 3], pa.duration("s")),
        pa.array(["u", None, "v"], pa.large_string()),
        pa.array(["u", None, "v"], pa.string_view()),
        pa.array([b"u", None, b"v"]),
        pa.array([True, None, False]).dictionary_encode(),
        pa.DictionaryArray.from_arrays(pa.array([0, 1, 2]), pa.array(["u", None, "v"])),
        np.ma.masked_array([1, 2, 3], mask=[False, True, False]),
        np.array(["2020", "NaT", "2021"], dtype="datetime64[D]"),
        np.array([1, None, 3], dtype=object),
        [1, None, 3],
        [1.5, NAN, 3],
    ],
    ids=lambda column: f"{type(column).__module__}.{getattr(column, 'dtype', getattr(column, 'type', ''))}",
)
def test_every_way_to_be_missing(column: Any) -> None:
    rows = rows_of({"a": column})
    assert rows.columns["a"].missing().tolist() == [False, True, False]
    with pytest.raises(MissingValues, match="'a': 1"):
        complete_rows(rows, ["a"])
    kept, _ = complete_rows(rows, ["a"], "drop")
    assert kept.columns["a"].missing().tolist() == [False, False]


@pytest.mark.parametrize(
    "column", [pa.nulls(3), [None] * 3, pd.Series([NAN] * 3), pl.Series([None] * 3), np.full(3, NAN)]
)
def test_columns_with_nothing_in_them(column: Any) -> None:
    rows = rows_of({"a": column, "b": [1, 2, 3]})
    assert rows.columns["a"].missing().all()
    assert complete_rows(rows, ["a", "b"], "drop")[0].n == 0


def test_infinite_values_are_found() -> None:
    with pytest.raises(InfiniteValues, match=r"'a' is infinite in 1 of 3 rows \(row 2, counted from 1\)"):
        complete_rows(rows_of({"a": [1.0, INF, 2.0]}), ["a"])
    values = np.arange(9.0)
    values[[2, 4, 6, 8]] = [INF, -INF, INF, NAN]
    for policy in ("error", "drop"):
        with pytest.raises(
            InfiniteValues, match=r"'a' is infinite in 3 of 9 rows \(rows, first 3, 5, 7, counted from 1\)"
        ):
            complete_rows(rows_of({"a": values}), ["a"], policy)


def test_other_policies() -> None:
    with pytest.raises(InvalidSetting, match='"error" or "drop"'):
        complete_rows(rows_of(DATA), ["c"], "impute")  # type: ignore[arg-type]
