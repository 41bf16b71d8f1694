"""Is a graph better than chance? Its contradictions against those of graphs with shuffled names."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from math import ceil, factorial
from typing import Any

import numpy as np

from butfor.core.errors import InvalidSetting
from butfor.core.rng import Seed, generator
from butfor.core.serial import public_value
from butfor.core.table import Table
from butfor.data.missing import MissingPolicy
from butfor.graph.causal_graph import CausalGraph
from butfor.identify.implications import Independence, independences
from butfor.refute.graph.check import GraphVerdict, check_level, read_columns
from butfor.refute.graph.independence_tests import IndependenceTest, default_test
from butfor.refute.graph.kinds import Independences

# Shuffling beyond this many statements per graph would cost hours and tell no more.
MOST_STATEMENTS = 1_000


@public_value
@dataclass(frozen=True)
class Falsification:
    """A graph against graphs of the same shape whose measured nodes changed names at random.

    Attributes:
        implied: independences that the graph, like each shuffled one, implies.
        violations: how many of them the data contradict, each at the level alpha on its own.
        shuffled_violations: the same for each shuffled graph.
        no_worse: share of the shuffled graphs with no more violations than the graph.
        equivalent: share of the shuffled graphs that imply exactly what the graph implies.
        test: the test in words.
        n: rows of the data.
    """

    implied: int
    violations: int
    shuffled_violations: tuple[int, ...]
    no_worse: float
    equivalent: float
    alpha: float
    test: str
    n: int

    @property
    def verdict(self) -> GraphVerdict:
        """Rejected if too many shuffled graphs fit as well as a graph that the data contradict.

        Nothing is said if too many of them imply the very same, or if too many fit a graph that nothing contradicts.
        """
        if not self.implied or self.equivalent > self.alpha:
            return GraphVerdict.SAYS_NOTHING
        if self.no_worse <= self.alpha:
            return GraphVerdict.NOT_REJECTED
        return GraphVerdict.REJECTED if self.violations else GraphVerdict.SAYS_NOTHING

    @property
    def words(self) -> str:
        """The verdict in sentences."""
        if not self.implied:
            return "The graph implies no independence of measured variables: shuffling its nodes says nothing."
        seen = (
            f"The data contradict {self.violations:,} of the {self.implied:,} independences that the graph implies "
            f"({self.test}, {self.n:,} rows). Of {len(self.shuffled_violations):,} graphs with shuffled nodes, "
            f"{self.no_worse:.0%} do no worse"
        )
        if self.equivalent > self.alpha:
            return f"{seen}, but {self.equivalent:.0%} imply the very same: the comparison says nothing."
        if self.verdict is GraphVerdict.SAYS_NOTHING:
            return f"{seen}: there are too few rows to tell them apart, and the comparison says nothing."
        if self.verdict is GraphVerdict.REJECTED:
            return f"{seen}: the graph is no better than chance, and is rejected."
        return f"{seen}: the graph is better than chance, and is not rejected."

    def tidy(self) -> Table:
        """One row per number of violations: how many shuffled graphs have it, and whether the graph does."""
        counts = np.bincount([*self.shuffled_violations, self.violations])
        counts[self.violations] -= 1
        found = [k for k, count in enumerate(counts.tolist()) if count or k == self.violations]
        return Table.of(
            {
                "violations": found,
                "shuffled_graphs": [counts[k] for k in found],
                "this_graph": [k == self.violations for k in found],
            }
        )

    def __str__(self) -> str:
        return self.words

    def _repr_html_(self) -> str:
        return f"<p>{self.words}</p>{self.tidy().to_html()}"


def falsify(
    graph: CausalGraph,
    data: Any,
    *,
    permutations: int = 100,
    test: IndependenceTest | None = None,
    alpha: float = 0.05,
    missing: MissingPolicy = "error",
    rng: Seed = 0,
) -> Falsification:
    """Ask whether a graph fits the data better than a graph whose nodes were named by chance.

    **Answers** what to think of a graph that the data contradict here and there, as they do with every graph given
    enough rows: is the knowledge in it worth anything?

    The measured nodes of the graph change places at random, hidden ones stay. A graph that carries knowledge has fewer
    violations than nearly all of its shuffled versions. If many of those imply the very same independences (few
    nodes, much symmetry), the comparison says nothing. With few nodes, every order is tried once.

    The violations are those of one independence per missing edge (`independences`), so that graphs with hidden nodes
    can be compared; Eulig and others count violated local Markov conditions of graphs without hidden nodes. Every
    test is made once, however many shuffled graphs ask for it.

    Args:
        graph: measured nodes are columns of the data; mark the others as latent.
        data: a frame, a dict of arrays, a path, a table or a dataset.
        permutations: shuffled graphs.
        test: default by the kinds of the columns, see `default_test`.
        alpha: level of each test, and of both comparisons.
        missing: "error" refuses rows with missing values, "drop" leaves them out.
        rng: seed or generator.

    Raises:
        InvalidSetting: for an alpha that is no probability, fewer than 1 / alpha permutations, or a graph that
            implies more than a thousand independences.
        UnknownColumn, MissingValues, InfiniteValues, NonNumeric: when a column cannot be used.
        MethodMismatch, TooFewRows: when the test does not suit the data.

    References:
        Eulig and others 2023, Toward falsifying causal graphs using a permutation-based test (arXiv:2305.09565).

    >>> e = np.random.default_rng(0).normal(size=(5, 500))
    >>> a, b = e[0], e[1]
    >>> c = a + b + e[2]
    >>> data = {"a": a, "b": b, "c": c, "d": c + e[3], "e": c + e[3] + e[4]}
    >>> str(falsify(CausalGraph.from_any("a -> c; b -> c; c -> d -> e"), data).verdict)
    'not rejected'
    """
    _check_settings(permutations, alpha)
    statements = _statements(graph)
    columns = read_columns(graph, data, missing)
    chosen = Independences(test or default_test(columns, rng=rng))

    @cache
    def violated(statement: Independence) -> bool:
        return chosen.test(columns, statement).p_value <= alpha

    @cache
    def implied(statement: Independence) -> bool:
        return statement.holds_in(graph)

    own = sum(map(violated, statements))
    shuffled = [[_renamed(s, names) for s in statements] for names in _renamings(list(columns), permutations, rng)]
    counts = [sum(map(violated, each)) for each in shuffled]
    return Falsification(
        implied=len(statements),
        violations=own,
        shuffled_violations=tuple(counts),
        no_worse=float(np.mean([count <= own for count in counts])),
        # As many missing edges, and all of them missing here too: both imply the same (Spirtes and Richardson 1997).
        equivalent=float(np.mean([all(map(implied, each)) for each in shuffled])),
        alpha=alpha,
        test=chosen.name,
        n=len(next(iter(columns.values()), ())),
    )


def _check_settings(permutations: int, alpha: float) -> None:
    check_level(alpha)
    if permutations * alpha < 1:
        raise InvalidSetting(
            f"permutations is {permutations}; a comparison at level {alpha} needs at least {ceil(1 / alpha)}.",
            hint=f"permutations={ceil(1 / alpha)}",
        )


def _statements(graph: CausalGraph) -> list[Independence]:
    found = list(islice(independences(graph), MOST_STATEMENTS + 1))
    if len(found) > MOST_STATEMENTS:
        raise InvalidSetting(
            f"The graph implies more than {MOST_STATEMENTS:,} independences; a comparison with shuffled graphs needs "
            "fewer.",
            hint="check_graph(graph, data) tests the first ones",
        )
    return found


def _renamings(names: Sequence[str], count: int, rng: Seed) -> Iterator[dict[str, str]]:
    """New names of the nodes: every order once if there are so few, else orders at random."""
    draw = generator(rng)
    orders: Iterator[tuple[int, ...]] = itertools.permutations(range(len(names)))
    if factorial(len(names)) > count:
        orders = (tuple(draw.permutation(len(names)).tolist()) for _ in range(count))
    return ({name: names[i] for name, i in zip(names, order, strict=True)} for order in orders)


def _renamed(statement: Independence, names: dict[str, str]) -> Independence:
    """The statement of the graph with other names; selected nodes keep theirs."""
    first, second = sorted((names[statement.first], names[statement.second]))
    return Independence(first, second, tuple(sorted(names.get(n, n) for n in statement.given)))
