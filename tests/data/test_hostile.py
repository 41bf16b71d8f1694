"""Whatever the columns hold, the answer is a clean sample or one of our errors."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from butfor.core.errors import ButforError, NonNumeric
from butfor.data import Request, Rows, complete_rows, draw_sample, open_dataset, sample_request
from butfor.data.rows import Numbers
from butfor.question import Question

CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=3),
    st.dates(),
    st.just(b"x"),
    st.lists(st.integers(0, 1), max_size=2),
)


def columns(length: int) -> st.SearchStrategy[list[Any]]:
    def of(cells: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
        return st.lists(cells, min_size=length, max_size=length)

    sorts = (
        st.integers(0, 2),
        st.floats(allow_nan=True, width=32),
        st.none() | st.booleans(),
        st.none() | st.sampled_from("abc"),
        st.integers(2**53, 2**64 - 1),
        CELLS,
    )
    return st.one_of(*(of(cells) for cells in sorts))


FITTING: dict[str, st.SearchStrategy[Any]] = {
    "t": st.integers(0, 1),
    "y": st.floats(-1e6, 1e6),
    "x": st.none() | st.sampled_from("abc"),
    "m": st.integers(0, 1),
    "w": st.floats(0, 3),
    "v": st.integers(0, 3),
}


@st.composite
def tables(draw: st.DrawFn) -> dict[str, list[Any]]:
    """Some columns that fit their role, among any others."""
    length = draw(st.sampled_from([0, 1, 4, 8, 12]))
    hostile = draw(st.sets(st.sampled_from(sorted(FITTING)), max_size=3))
    cells = {name: st.lists(cell, min_size=length, max_size=length) for name, cell in FITTING.items()}
    return {name: draw(columns(length) if name in hostile else cell) for name, cell in cells.items()}


@settings(max_examples=300, deadline=None)
@given(tables(), st.sampled_from(["error", "drop"]), st.booleans(), st.sampled_from([dict, "pandas", "objects"]))
def test_a_clean_sample_or_an_error(data: dict[str, list[Any]], policy: Any, arms: bool, kind: Any) -> None:
    question = Question("t", "y", modifiers=("m",), arms=arms)
    roles = {"weights": "w", "cluster": "v"}
    try:
        source = data if kind is dict else pd.DataFrame(data, dtype=object if kind == "objects" else None)
    except OverflowError:  # pandas cannot hold integers beyond 64 bits
        return
    try:
        request = sample_request(question, ["x"], **roles)
        rows, _ = complete_rows(open_dataset(source).read(request), request.columns, policy)
        sample = draw_sample(rows, question, ["x"], **roles)
    except ButforError:
        return
    n = len(data["t"])
    assert 0 < sample.n <= n
    assert sample.loss.rows_read == n
    assert sample.loss.rows_used == sample.n
    assert sample.weights is not None
    assert sample.cluster is not None
    for array in (sample.outcome, sample.covariates.matrix, sample.treatment.values, sample.weights):
        assert array.dtype == np.float64
        assert np.isfinite(array).all()
        assert len(array) == sample.n
    assert sample.weights.min() > 0
    assert sample.outcome.min() < sample.outcome.max()
    assert sample.cluster.codes.min() >= 0
    assert sample.cluster.codes.max() < sample.cluster.count
    assert np.sum([g.rows for g in sample.subgroups], axis=0).tolist() == [1] * sample.n
    if sample.treatment.kind != "amount":
        assert np.bincount(sample.treatment.codes).min() > 0
        assert len(sample.treatment.levels) > 1
    assert len(sample.row_key) == sample.n


def read(column: Any) -> Rows:
    return open_dataset(column if isinstance(column, pd.DataFrame | pl.DataFrame | pa.Table) else {"a": column}).read(
        Request(frozenset("a"))
    )


@pytest.mark.parametrize(
    "column",
    [
        np.array([1, 2, 3], dtype="uint64"),
        np.array([1, 2, 3], dtype="int8"),
        np.array([1, 2, 3], dtype="float16"),
        np.array([1, 2, 3], dtype="longdouble"),
        np.array([1, 2, 3], dtype=">f8"),
        np.array([0, 1, 0, 2, 0, 3], dtype=float)[1::2],
        np.array([1, 2, 3], dtype=object),
        [1, 2.0, 3],
        [True, 2, 3],
        range(1, 4),
        (1, 2, 3),
        pa.array([1, 2, 3], pa.decimal256(40, 3)),
        pa.chunked_array([[1], [], [2, 3]]),
        pl.Series([1, 2, 3], dtype=pl.UInt64),
        pl.Series([1, 2, 3], dtype=pl.Int128),
        pd.Series([1, 2, 3], index=[9, 9, 7]),
        pd.Series([1, 2, 3], dtype="UInt8"),
        pd.Index([1, 2, 3]),
        pd.arrays.SparseArray([1, 2, 3]),
    ],
    ids=lambda column: f"{type(column).__module__}.{type(column).__name__}.{getattr(column, 'dtype', '')}",
)
def test_numbers_are_numbers(column: Any) -> None:
    found = read(column).columns["a"]
    assert isinstance(found, Numbers)
    assert not found.boolean
    assert found.values.tolist() == [1.0, 2.0, 3.0]
    assert found.values.dtype == np.float64
    assert found.distinct()[1] == (1, 2, 3)


@pytest.mark.parametrize(
    "column",
    [
        np.array([True, False]),
        [True, False],
        [np.True_, np.False_],
        pd.Series([True, False], dtype="boolean"),
        pd.Series([True, False], dtype=object),
        pd.Series([True, False], dtype="category"),
        pl.Series([True, False]),
        pa.array([True, False]).dictionary_encode(),
    ],
    ids=lambda column: f"{type(column).__module__}.{getattr(column, 'dtype', '')}",
)
def test_booleans_are_booleans(column: Any) -> None:
    found = read(column).columns["a"]
    assert found.kind == "boolean"
    assert found.distinct()[0].tolist() == [1, 0]
    assert repr(found.distinct()[1]) == "(False, True)"


@pytest.mark.parametrize(
    ("column", "what"),
    [
        ([1, "a"], "a mixture of integer and text values"),
        (pd.Series([1, "a"], dtype="category"), "a mixture of integer and text values"),
        (np.array([1j, 2j]), "values of type complex128"),
        (np.array([b"a", b"b"]), "values of type"),
        (pd.Series(pd.period_range("2020", periods=2)), "values of type"),
        (pd.Series(pd.interval_range(0, 2)), "values of type"),
        (pl.Series([[1], [2]]), "values of type large_list"),
        (pl.Series([{"u": 1}, {"u": 2}]), "values of type struct"),
        (pl.Series([object(), object()], dtype=pl.Object), "object values"),
        (pa.array([b"a", b"b"]), "values of type binary"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_everything_else_is_refused_by_name(column: Any, what: str) -> None:
    with pytest.raises(NonNumeric, match=what):
        read(column).columns["a"].distinct()


@pytest.mark.parametrize(
    "column",
    [
        [datetime.date(2021, 1, 1), datetime.date(2020, 1, 1)],
        [datetime.time(9), datetime.time(8)],
        np.array(["2021", "2020"], dtype="datetime64[Y]"),
        pd.Series(pd.to_datetime(["2021", "2020"])),
        pd.Series(pd.to_datetime(["2021", "2020"], utc=True)),
        pd.Series([datetime.date(2021, 1, 1), datetime.date(2020, 1, 1)]),
        pd.Series(pd.to_timedelta([2, 1], unit="s")),
        pl.Series([datetime.date(2021, 1, 1), datetime.date(2020, 1, 1)]),
        pl.Series([datetime.timedelta(2), datetime.timedelta(1)]),
        pa.array([2, 1], pa.time32("s")),
        pa.array([2, 1], pa.time64("us")),
        pa.array([2, 1], pa.date64()),
        pa.array([2, 1], pa.timestamp("ns", tz="Europe/Berlin")),
    ],
    ids=lambda column: f"{type(column).__module__}.{getattr(column, 'dtype', getattr(column, 'type', ''))}",
)
def test_dates_can_only_identify(column: Any) -> None:
    found = read(column).columns["a"]
    assert found.kind == "other"
    assert found.distinct()[0].tolist() == [1, 0]


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
def test_large_integers_stay_apart(dtype: str) -> None:
    ids = np.array([2**53 + 1, 2**53, 2**53 + 1, 2**53 + 2], dtype=dtype)
    nullable = pd.Series(ids, dtype=dtype.replace("i", "I").replace("u", "U"))
    for column in (ids, ids.tolist(), pd.Series(ids), nullable, pl.Series(ids), pa.array(ids)):
        codes, levels = read(column).columns["a"].distinct()
        assert codes.tolist() == [1, 0, 1, 2]
        assert levels == (2**53, 2**53 + 1, 2**53 + 2)
    with_gap = read([2**53 + 1, None, 2**53]).columns["a"]
    assert with_gap.missing().tolist() == [False, True, False]
    assert with_gap.take(np.array([0, 2])).distinct()[1] == (2**53, 2**53 + 1)


def test_huge_integers_are_numbers() -> None:
    assert read([10**30, 1]).columns["a"].values.tolist() == [1e30, 1.0]  # type: ignore[union-attr]


def test_text_levels_are_sorted_and_used() -> None:
    for column in (
        ["b", "é", "a", "B"],
        pd.Series(["b", "é", "a", "B"], dtype="category"),
        np.array(["b", "é", "a", "B"]),
    ):
        codes, levels = read(column).columns["a"].distinct()
        assert levels == ("B", "a", "b", "é")
        assert codes.tolist() == [2, 3, 1, 0]


def test_empty_frames() -> None:
    for source in (
        pd.DataFrame({"a": []}),
        pl.DataFrame({"a": []}),
        pa.table({"a": pa.array([], pa.string())}),
        {"a": []},
    ):
        rows = open_dataset(source).read(Request(frozenset("a")))
        assert rows.n == 0
        assert len(rows.columns["a"].missing()) == 0
    assert open_dataset(pd.DataFrame()).columns == ()
    assert open_dataset({}).columns == ()
