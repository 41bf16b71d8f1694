"""Columns as a forest sees them: what a frame holds, what a design matrix holds, and what new rows may hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from butfor.core.errors import InfiniteValues, InvalidSetting, MissingValues, NonNumeric, UnknownColumn
from butfor.data.dataset import open_dataset
from butfor.data.request import Request
from butfor.data.rows import Rows
from butfor.data.sample import Covariates
from butfor.estimators.forest.columns import ForestColumns, category_places, folded, sources


def rows_of(frame: dict[str, Any]) -> Rows:
    return open_dataset(frame).read(Request(frozenset(frame)))


def matrix_of_age(frame: dict[str, Any]) -> np.ndarray:
    rows = rows_of(frame)
    return ForestColumns.of(rows, ["age"]).matrix(rows)


FRAME = {"age": [31.0, None, 45.0], "city": ["rome", None, "bern"], "sex": ["f", "m", "f"]}


def test_numbers_keep_their_gaps_and_categories_become_codes() -> None:
    rows = rows_of(FRAME)
    columns = ForestColumns.of(rows, ["age", "city", "sex"])
    assert columns.levels == ((), ("bern", "rome"), ("f", "m"))
    assert columns.categories == (1, 2)
    assert_array_equal(columns.matrix(rows), [[31.0, 1.0, 0.0], [np.nan, np.nan, 1.0], [45.0, 0.0, 0.0]])


def test_a_new_level_is_missing_where_values_were_missing_before_and_refused_elsewhere() -> None:
    columns = ForestColumns.of(rows_of(FRAME), ["age", "city", "sex"])
    new = {"age": [1.0], "city": ["oslo"], "sex": ["m"]}
    assert_array_equal(columns.matrix(rows_of(new)), [[1.0, np.nan, 1.0]])
    with pytest.raises(InvalidSetting, match="such as 'x'"):
        columns.matrix(rows_of(new | {"sex": ["x"]}))
    with pytest.raises(MissingValues, match="'sex' has 1 missing"):
        columns.matrix(rows_of(new | {"sex": np.array([None], dtype=object)}))


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"age": [np.inf, 1.0, 2.0]}, InfiniteValues, "'age' is infinite in 1"),
        ({"age": [np.nan, np.nan, np.nan]}, MissingValues, "every row"),
        ({"age": np.array(["2020-01-01"] * 3, dtype="datetime64[D]")}, NonNumeric, "age"),
    ],
)
def test_columns_that_say_nothing_are_refused(change: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        matrix_of_age(FRAME | change)


def test_too_many_levels_and_unknown_names_are_refused() -> None:
    with pytest.raises(InvalidSetting, match="256 levels"):
        ForestColumns.of(rows_of({"id": [f"u{i}" for i in range(256)]}), ["id"])
    with pytest.raises(UnknownColumn, match="city"):
        ForestColumns.of(rows_of(FRAME), ["citty"])


def test_indicators_of_a_design_matrix_fold_into_codes_and_gaps_come_back() -> None:
    names = ("age", "age is missing", "city=oslo", "city=rome", "sex=m")
    source = ("age", "age is missing", "city", "city", "sex")
    matrix = np.array([[31.0, 0, 0, 1, 0], [38.0, 1, 0, 0, 1], [45.0, 0, 1, 0, 0]])
    covariates = Covariates(matrix, names, source)
    assert sources(covariates) == ("age", "age is missing", "city", "sex")
    assert category_places(covariates) == (2, 3)
    assert_array_equal(folded(matrix, covariates), [[31.0, 0, 2, 0], [np.nan, 1, 0, 1], [45.0, 0, 1, 0]])
