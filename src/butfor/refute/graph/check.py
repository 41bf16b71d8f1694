"""Does a graph fit the data? Every testable statement that it implies, tested."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from butfor.core.effort import Effort
from butfor.core.errors import InvalidSetting, MethodMismatch, NonNumeric, NumericalFailure, TooFewRows
from butfor.core.rng import Seed
from butfor.core.serial import public_value
from butfor.core.table import Table
from butfor.data.dataset import open_dataset
from butfor.data.missing import MissingPolicy, complete_rows
from butfor.data.request import Request
from butfor.data.rows import Categories, Column, Numbers
from butfor.graph.causal_graph import CausalGraph
from butfor.identify.proof import listed
from butfor.inference.multiplicity import holm
from butfor.refute.graph.columns import Columns
from butfor.refute.graph.independence_tests import IndependenceTest, TestResult, default_test
from butfor.refute.graph.instrument_tests import InstrumentInequalities
from butfor.refute.graph.kinds import Implication, ImplicationKind, Independences
from butfor.refute.graph.verma_tests import VermaConstraints

# What follows from a graph without a word on the shape of its relations.
WITHOUT_ASSUMPTIONS: tuple[ImplicationKind, ...] = (VermaConstraints(), InstrumentInequalities())


class GraphVerdict(StrEnum):
    """What the data say of a graph. They can never confirm one."""

    REJECTED = "rejected"
    NOT_REJECTED = "not rejected"
    SAYS_NOTHING = "says nothing"


@public_value
@dataclass(frozen=True)
class CheckedImplication:
    """One statement that the graph implies, and what the data say of it.

    Attributes:
        kind: what such a statement is called.
        test: the test in words.
        adjusted_p: after Holm's adjustment for all statements of the check.
        rejected: whether `adjusted_p` is at most the level of the check.
    """

    implication: Implication
    kind: str
    test: str
    result: TestResult
    adjusted_p: float
    rejected: bool


@public_value
@dataclass(frozen=True)
class UntestedImplication:
    """One statement that the graph implies and these data cannot judge, and why."""

    implication: Implication
    kind: str
    reason: str


@public_value
@dataclass(frozen=True)
class GraphCheck:
    """A graph against the data.

    Attributes:
        graph: the graph that was checked.
        rows: one per tested implication, kind by kind; independences come first, in the order of the alphabet.
        untested: what the columns do not allow to test.
        alpha: probability of rejecting anything in a graph that is right.
        n: rows of the data.
        complete: False if the graph implies more of some kind than was looked at.
    """

    graph: CausalGraph
    rows: tuple[CheckedImplication, ...]
    untested: tuple[UntestedImplication, ...]
    alpha: float
    n: int
    complete: bool

    @property
    def test(self) -> str:
        """The tests in words."""
        return "; ".join(dict.fromkeys(row.test for row in self.rows))

    @property
    def rejected(self) -> tuple[CheckedImplication, ...]:
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
        return " ".join(filter(None, (self._verdict_in_words, self._untested_in_words)))

    @property
    def _verdict_in_words(self) -> str:
        if not self.rows:
            if self.untested:
                return "Nothing that the graph implies could be tested."
            return (
                "The graph implies nothing of this kind about measured variables: no data could contradict it this way."
            )
        tested = _counted([row.kind for row in self.rows], "implied ")
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

    @property
    def _untested_in_words(self) -> str:
        if not self.untested:
            return ""
        more = " (the first of several reasons)" if len({row.reason for row in self.untested}) > 1 else ""
        return f"Not tested: {_counted([row.kind for row in self.untested])}. {self.untested[0].reason}{more}"

    def tidy(self) -> Table:
        """One row per tested implication."""
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
    further: Sequence[ImplicationKind] = WITHOUT_ASSUMPTIONS,
    alpha: float = 0.05,
    limit: int = 200,
    missing: MissingPolicy = "error",
    rng: Seed = 0,
) -> GraphCheck:
    """Test what a graph implies about the data.

    **Answers** whether the data contradict the graph: for every missing edge, are the two variables unrelated once
    the right others are known? Do the hidden causes leave the traces that they must (Verma constraints), and the
    instruments no more than they may (instrument inequalities)?

    p-values are adjusted together (Holm 1979), so that a graph that is right is rejected with a probability of at
    most `alpha`. A graph that survives is not shown to be right, and a small sample rejects nothing. What the columns
    do not allow to test is listed with the reason, as `untested`.

    Args:
        graph: measured nodes are columns of the data; mark the others as latent.
        data: a frame, a dict of arrays, a path, a table or a dataset.
        test: of independences; default by the kinds of the columns, see `default_test`.
        further: what to test beside independences. By default all that needs no further assumption: `VermaConstraints`
            and `InstrumentInequalities`, of columns with few values. `Tetrads` assume linear relations, and are tested
            on request only.
        alpha: probability of rejecting anything in a graph that is right.
        limit: most implications of each kind to test; the result says whether there are more.
        missing: "error" refuses rows with missing values, "drop" leaves them out.
        rng: seed or generator of the default test.

    Raises:
        InvalidSetting: for an alpha that is no probability, a limit below one, or tetrads of too many variables.
        UnknownColumn: for a measured node that is not in the data, with the nearest name.
        MissingValues, InfiniteValues, NonNumeric: when a column cannot be used.
        TooFewRows: when no row is complete.

    >>> noise = np.random.default_rng(1).normal(size=(3, 400))
    >>> data = {"x": noise[0], "m": noise[0] + noise[1], "y": noise[0] + noise[1] + noise[2]}
    >>> str(check_graph(CausalGraph.from_any("x -> m -> y"), data).verdict)
    'not rejected'
    >>> str(check_graph(CausalGraph.from_any("x -> m; y -> m"), data).verdict)
    'rejected'
    """
    check_level(alpha)
    if limit < 1:
        raise InvalidSetting(f"limit is {limit}; a check needs at least one implication.", hint="limit=200")
    columns = read_columns(graph, data, missing)
    kinds = (Independences(test or default_test(columns, rng=rng)), *further)
    answers = [_answers(kind, graph, columns, limit) for kind in kinds]
    tested = [row for rows, _, _ in answers for row in rows]
    adjusted = holm([result.p_value for _, _, result in tested])
    rows = tuple(
        CheckedImplication(statement, kind.noun, kind.name, result, float(p), bool(p <= alpha))
        for (kind, statement, result), p in zip(tested, adjusted, strict=True)
    )
    untested = tuple(row for _, rest, _ in answers for row in rest)
    n = len(next(iter(columns.values()), ()))
    return GraphCheck(graph, rows, untested, alpha, n, complete=all(complete for _, _, complete in answers))


_Answers = tuple[list[tuple[ImplicationKind, Implication, TestResult]], list[UntestedImplication], bool]


def _answers(kind: ImplicationKind, graph: CausalGraph, columns: Columns, limit: int) -> _Answers:
    """What the data say of the implications of one kind, what they cannot judge, and whether these are all."""
    effort = Effort(kind.steps)
    implied = list(islice(kind.statements(graph, effort), limit + 1))
    tested: list[tuple[ImplicationKind, Implication, TestResult]] = []
    untested: list[UntestedImplication] = []
    for statement in implied[:limit]:
        try:
            tested.append((kind, statement, kind.test(columns, statement)))
        except (MethodMismatch, NumericalFailure, TooFewRows) as refusal:
            untested.append(UntestedImplication(statement, kind.noun, refusal.message))
    return tested, untested, len(implied) <= limit and not effort.exhausted


def _counted(kinds: Sequence[str], what: str = "") -> str:
    """How many statements there are of each kind."""
    each = [
        f"{count:,} {what}{kind if count == 1 else kind[:-1] + 'ies' if kind.endswith('y') else kind + 's'}"
        for kind, count in Counter(kinds).items()
    ]
    return listed(each)


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
