"""A table comes out as dicts, frames, Markdown and HTML, and every number as a reader wants it."""

from __future__ import annotations

import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from butfor.core.serial import from_json, to_json
from butfor.core.table import Table, format_cell, format_number

TABLE = Table(("term", "estimate", "rows"), (("quit: 1 - 0", 2.5, 10), ("a | b", None, 7)))


def test_columns_become_rows_of_plain_python_values() -> None:
    table = Table.of({"x": np.array([1.5, 2.5]), "n": np.array([1, 2]), "yes": np.array([True, False])})
    assert table.names == ("x", "n", "yes")
    assert table.rows == ((1.5, 1, True), (2.5, 2, False))
    assert [type(v) for v in table.rows[0]] == [float, int, bool]


def test_columns_of_unequal_length_are_no_table() -> None:
    with pytest.raises(ValueError, match="argument 2 is longer"):
        Table.of({"x": [1.0], "y": [1.0, 2.0]})


def test_dicts_by_row_and_by_column() -> None:
    assert len(TABLE) == 2
    assert TABLE.to_dict() == {"term": ["quit: 1 - 0", "a | b"], "estimate": [2.5, None], "rows": [10, 7]}
    assert list(TABLE) == TABLE.to_dicts()
    assert TABLE.to_dicts()[1] == {"term": "a | b", "estimate": None, "rows": 7}
    assert TABLE.column("rows") == [10, 7]


def test_frames_hold_the_same_cells() -> None:
    pandas = TABLE.to_pandas()
    assert list(pandas.columns) == list(TABLE.names)
    assert math.isnan(pandas["estimate"][1])
    assert pandas["rows"].tolist() == [10, 7]
    assert TABLE.to_polars().to_dicts() == TABLE.to_dicts()
    assert TABLE.to_arrow().to_pylist() == TABLE.to_dicts()


def test_a_column_of_whole_and_broken_numbers_is_one_column() -> None:
    mixed = Table(("x",), ((1,), (2.5,), (None,)))
    assert mixed.to_polars()["x"].to_list() == [1.0, 2.5, None]
    assert mixed.to_arrow()["x"].to_pylist() == [1.0, 2.5, None]
    assert mixed.to_pandas()["x"].tolist()[:2] == [1.0, 2.5]


def test_a_table_without_rows_keeps_its_columns() -> None:
    empty = Table(("a", "b"), ())
    assert list(empty.to_pandas().columns) == ["a", "b"]
    assert empty.to_polars().columns == ["a", "b"]
    assert empty.to_arrow().column_names == ["a", "b"]
    assert empty.to_markdown().splitlines() == ["| a | b |", "| --- | --- |"]


def test_markdown_has_one_line_per_row_whatever_the_cells_hold() -> None:
    wild = Table(("a|b", "c"), (("x|y", "first\nsecond"),))
    assert wild.to_markdown().splitlines() == ["| a\\|b | c |", "| --- | --- |", "| x\\|y | first second |"]


class Cells(HTMLParser):
    """Tags that were opened, and the text of each cell."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.cells: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        if tag in ("th", "td"):
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        self.cells[-1] += data


def test_html_is_escaped() -> None:
    evil = "<script>alert('x')</script> & \"more\""
    parsed = Cells(Table((evil,), ((evil,),)).to_html())
    assert parsed.tags == {"table", "thead", "tbody", "tr", "th", "td"}
    assert parsed.cells == [evil, evil]


def test_html_marks_numbers_and_notebooks_show_it() -> None:
    html = Table(("std_error", "yes"), ((1.5, True),)).to_html()
    assert "<th>std error</th>" in html
    assert html.count('class="number"') == 1
    assert TABLE._repr_html_() == TABLE.to_html()


def test_text_is_aligned() -> None:
    assert str(TABLE).splitlines() == [
        "       term  estimate  rows",
        "quit: 1 - 0     2.500    10",
        "      a | b               7",
    ]


def test_json_keeps_every_cell() -> None:
    table = Table(("x", "y"), ((1, "é"), (2.5, None), (True, "")))
    assert from_json(to_json(table)) == table


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (3.14159, "3.142"),
        (-0.00012345, "-0.0001234"),  # the double is just below the tie
        (123456.7, "123,457"),
        (-1234567.8, "-1,234,568"),
        (1e9, "1.000e+09"),
        (9.87654e-5, "9.877e-05"),
        (9.99996, "10.00"),
        (0.099999, "0.1000"),
        (math.inf, "inf"),
    ],
)
def test_numbers_have_four_significant_digits(value: float, text: str) -> None:
    assert format_number(value) == text


def test_digits_can_be_chosen() -> None:
    assert format_number(3.14159, 2) == "3.1"
    assert format_number(12345.0, 2) == "12,345"


@given(st.floats(-1e12, 1e12).filter(lambda v: abs(v) > 1e-12), st.integers(2, 8))
def test_a_formatted_number_is_the_number_to_its_digits(value: float, digits: int) -> None:
    text = format_number(value, digits)
    assert math.isclose(float(text.replace(",", "")), value, rel_tol=0.51 * 10.0 ** (1 - digits))
    mantissa = re.sub(r"e.*|[-,.]", "", text).lstrip("0")
    whole = len(re.sub(r"\..*|[-,]", "", text))
    assert "e" in text or len(mantissa) == max(digits, whole)


def test_cells_without_a_value_are_empty() -> None:
    assert format_cell(None) == ""
    assert format_cell(math.nan) == ""
    assert format_cell(False) == "False"
    assert format_cell(12) == "12"
