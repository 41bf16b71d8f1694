"""Does a graph fit the data? Every independence that it implies, tested."""

from __future__ import annotations

import html
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import InvalidSetting, NonNumeric, TooFewRows
from butfor.core.rng import Seed
from butfor.core.serial import public_value
from butfor.core.table import Table
from butfor.data.dataset import open_dataset
from butfor.data.missing import MissingPolicy, complete_rows
from butfor.data.request import Request
from butfor.data.rows import Categories, Column, Numbers
from butfor.graph.causal_graph import CausalGraph
from butfor.identify.implications import Independence, independences
from butfor.inference.multiplicity import holm
from butfor.refute.graph.independence_tests import Columns, IndependenceTest, TestResult, default_test


class GraphVerdict(StrEnum):
    """What the data say of a graph. They can never confirm one."""

    REJECTED = "rejected"
    NOT_REJECTED = "not rejected"
    SAYS_NOTHING = "says nothing"


@public_value
@dataclass(frozen=True)
class CheckedIndependence:
    """One independence that the graph implies, and what the data say of it.

    Attributes:
        adjusted_p: after Holm's adjustment for all independences of the check.
        rejected: whether `adjusted_p` is at most the level of the check.
    """

    implication: Independence
    result: TestResult
    adjusted_p: float
    rejected: bool


@public_value
@dataclass(frozen=True)
class GraphCheck:
    """A graph against the data.

    Attributes:
        graph: the graph that was checked.
        rows: one per implied independence, in the order of the alphabet.
        test: the test in words.
        alpha: probability of rejecting anything in a graph that is right.
        n: rows of the data.
        complete: False if the graph implies more than was tested.
    """

    graph: CausalGraph
    rows: tuple[CheckedIndependence, ...]
    test: str
    alpha: float
    n: int
    complete: bool

    @property
    def rejected(self) -> tuple[CheckedIndependence, ...]:
        """What the data contradict."""
        return tuple(row for row in self.rows if row.rejected)

    @property
    def verdict(self) -> GraphVerdict:
        """What the data say of the graph."""
        if not self.rows:
            return GraphVerdict.SAYS_NOTHING
        return GraphVerdict.REJECTED if self.rejected else GraphVerdict.NOT_REJECTED

    @property
    def words(self) -> str:
        """The verdict in sentences."""
        if not self.rows:
            return "The graph implies no independence of measured variables: no data could contradict it this way."
        count = len(self.rows)
        tested = f"{count:,} implied independence{'s' * (count != 1)}"
        tested = f"the {tested}" if self.complete else f"the first {tested} (the graph implies more)"
        if not self.rejected:
            return (
                f"The data contradict none of {tested} ({self.test}, {self.n:,} rows). That does not show that the "
                "graph is right: graphs with other arrows can imply the same."
            )
        worst = min(self.rejected, key=lambda row: (row.result.p_value, -abs(row.result.effect)))
        return (
            f"The data contradict {len(self.rejected):,} of {tested} ({self.test}, {self.n:,} rows), most clearly "
            f"{worst.implication}. Something is missing in the graph, or the test does not suit the data."
        )

    def tidy(self) -> Table:
        """One row per implied independence."""
        return Table.of(
            {
                "implication": [str(row.implication) for row in self.rows],
                "statistic": [row.result.statistic for row in self.rows],
                "effect": [row.result.effect for row in self.rows],
                "p_value": [row.result.p_value for row in self.rows],
                "adjusted_p": [row.adjusted_p for row in self.rows],
                "rejected": [row.rejected for row in self.rows],
            }
        )

    def __str__(self) -> str:
        return self.words

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self.words)}</p>{self.tidy().to_html()}"


def check_graph(
    graph: CausalGraph,
    data: Any,
    *,
    test: IndependenceTest | None = None,
    alpha: float = 0.05,
    limit: int = 200,
    missing: MissingPolicy = "error",
    rng: Seed = 0,
) -> GraphCheck:
    """Test what a graph implies about the data.

    **Answers** whether the data contradict the graph: for every missing edge, are the two variables unrelated once
    the right others are known?

    p-values are adjusted together (Holm 1979), so that a graph that is right is rejected with a probability of at
    most `alpha`. A graph that survives is not shown to be right, and a small sample rejects nothing.

    Args:
        graph: measured nodes are columns of the data; mark the others as latent.
        data: a frame, a dict of arrays, a path, a table or a dataset.
        test: default by the kinds of the columns, see `default_test`.
        alpha: probability of rejecting anything in a graph that is right.
        limit: most independences to test; the result says whether there are more.
        missing: "error" refuses rows with missing values, "drop" leaves them out.
        rng: seed or generator of the default test.

    Raises:
        InvalidSetting: for an alpha that is no probability, or a limit below one.
        UnknownColumn: for a measured node that is not in the data, with the nearest name.
        MissingValues, InfiniteValues, NonNumeric: when a column cannot be used.
        MethodMismatch, TooFewRows: when the test does not suit the data.

    >>> noise = np.random.default_rng(1).normal(size=(3, 400))
    >>> data = {"x": noise[0], "m": noise[0] + noise[1], "y": noise[0] + noise[1] + noise[2]}
    >>> str(check_graph(CausalGraph.from_any("x -> m -> y"), data).verdict)
    'not rejected'
    >>> str(check_graph(CausalGraph.from_any("x -> m; y -> m"), data).verdict)
    'rejected'
    """
    check_level(alpha)
    if limit < 1:
        raise InvalidSetting(f"limit is {limit}; a check needs at least one independence.", hint="limit=200")
    columns = read_columns(graph, data, missing)
    chosen = test or default_test(columns, rng=rng)
    implied = list(islice(independences(graph), limit + 1))
    results = [tested(chosen, columns, statement) for statement in implied[:limit]]
    adjusted = holm([result.p_value for result in results])
    rows = tuple(
        CheckedIndependence(statement, result, float(p), bool(p <= alpha))
        for statement, result, p in zip(implied, results, adjusted, strict=False)
    )
    n = len(next(iter(columns.values()), ()))
    return GraphCheck(graph, rows, chosen.name, alpha, n, complete=len(implied) <= limit)


def tested(test: IndependenceTest, columns: Columns, statement: Independence) -> TestResult:
    """The test of one independence; nodes that decide which rows are seen are the same in all of them."""
    return test.test(columns, statement.first, statement.second, [n for n in statement.given if n in columns])


def read_columns(graph: CausalGraph, data: Any, missing: MissingPolicy = "error") -> dict[str, NDArray[Any]]:
    """The columns of the measured nodes: numbers as they are, categories as text.

    Raises:
        UnknownColumn, MissingValues, InfiniteValues, NonNumeric, TooFewRows: when a column cannot be used.
    """
    names = [n for n in graph.observed if n not in graph.selected]
    if not names:
        return {}
    request = Request(frozenset(names))
    rows, _ = complete_rows(open_dataset(data).read(request), names, missing)
    if rows.n == 0:
        raise TooFewRows(
            f"The data of {rows.source or 'the check'} have 0 complete rows; a test of independence needs rows.",
            hint="mark the columns with most gaps as latent, or check the source",
        )
    return {name: _values(rows.columns[name]) for name in names}


def check_level(alpha: float) -> None:
    """Refuse a level that is no probability.

    Raises:
        InvalidSetting: unless 0 < alpha < 1.
    """
    if not 0.0 < alpha < 1.0:
        raise InvalidSetting(f"alpha is {alpha}; a test needs a level between 0 and 1.", hint="alpha=0.05")


def _values(column: Column) -> NDArray[Any]:
    if isinstance(column, Numbers):
        return column.values
    if isinstance(column, Categories):
        return np.array([str(level) for level in column.levels], dtype=object)[column.codes]
    raise NonNumeric(
        f"Column {column.name!r} holds {column.what}; a test of independence needs numbers or text.",
        hint=f"derive a number or a category from {column.name!r} first",
    )
