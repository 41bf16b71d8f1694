"""What would mend a graph that the data contradict: the single edges that would explain it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from butfor.core.serial import public_value
from butfor.core.table import Table
from butfor.graph.causal_graph import CausalGraph
from butfor.identify.implications import Independence
from butfor.refute.graph.check import GraphCheck


@public_value
@dataclass(frozen=True)
class Suggestion:
    """One more edge, and what it would do to what the graph implies.

    Attributes:
        edge: the edge as one writes it: `a -> b` or `a <-> b`.
        explains: the independence between its two ends, which the data contradict.
        removes: other contradicted independences that the graph would no longer imply.
        loses: independences the data agree with that the graph would no longer imply.
        graph: the graph with the edge.
    """

    edge: str
    explains: Independence
    removes: tuple[Independence, ...]
    loses: tuple[Independence, ...]
    graph: CausalGraph

    def __str__(self) -> str:
        others = f" and {len(self.removes)} more" if self.removes else ""
        return f"{self.edge} explains why {self.explains} fails{others}, and gives up {len(self.loses)} that hold"


@public_value
@dataclass(frozen=True)
class Suggestions:
    """Single edges that would explain what the data contradict, the most telling first."""

    items: tuple[Suggestion, ...]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Suggestion]:
        return iter(self.items)

    def tidy(self) -> Table:
        """One row per edge."""
        return Table.of(
            {
                "edge": [item.edge for item in self.items],
                "explains": [str(item.explains) for item in self.items],
                "also_removes": [len(item.removes) for item in self.items],
                "loses": [len(item.loses) for item in self.items],
            }
        )

    def __str__(self) -> str:
        return "\n".join(map(str, self.items)) or "The data contradict nothing that an edge could explain."

    def _repr_html_(self) -> str:
        return self.tidy().to_html()


def suggest_edges(check: GraphCheck) -> Suggestions:
    """The smallest changes of a graph that would explain what the data contradict.

    **Answers** where to look first when a graph is rejected: which single edge, if it were missing, would account for
    the most contradictions at the smallest price?

    Only independences are looked at: a tetrad, a Verma constraint or an instrument inequality is not about one edge.
    For each contradicted independence of a and b: a -> b, b -> a (unless it closes a cycle), and a <-> b for a hidden
    common cause. Edges come in the order of how many other contradicted independences they remove, then of how few
    they lose that the data agree with. Data cannot tell edges of one rank apart, and knowledge must: an edge that was
    chosen because the data asked for it is not confirmed by the same data.

    Args:
        check: from `check_graph`.

    >>> import numpy as np
    >>> from butfor.refute.graph.check import check_graph
    >>> x, e = np.random.default_rng(0).normal(size=(2, 500))
    >>> graph = CausalGraph(("x", "y"))
    >>> [item.edge for item in suggest_edges(check_graph(graph, {"x": x, "y": x + e}))]
    ['x -> y', 'y -> x', 'x <-> y']
    """
    found = [
        _suggestion(check, row.implication, edge, graph)
        for row in check.rejected
        if isinstance(row.implication, Independence)
        for edge, graph in _joined(check.graph, row.implication.first, row.implication.second)
    ]
    return Suggestions(tuple(sorted(found, key=lambda item: (-len(item.removes), len(item.loses)))))


def _joined(graph: CausalGraph, first: str, second: str) -> Iterator[tuple[str, CausalGraph]]:
    """The edges that can join two nodes, and the graph with each."""
    for cause, effect in ((first, second), (second, first)):
        if cause not in graph.descendants({effect}):
            yield f"{cause} -> {effect}", graph.replaced(directed=(*graph.directed, (cause, effect)))
    yield f"{first} <-> {second}", graph.replaced(bidirected=(*graph.bidirected, (first, second)))


def _suggestion(check: GraphCheck, explains: Independence, edge: str, graph: CausalGraph) -> Suggestion:
    gone = [
        (row.implication, row.rejected)
        for row in check.rows
        if isinstance(row.implication, Independence) and row.implication != explains
    ]
    gone = [(statement, rejected) for statement, rejected in gone if not statement.holds_in(graph)]
    return Suggestion(
        edge,
        explains,
        removes=tuple(statement for statement, rejected in gone if rejected),
        loses=tuple(statement for statement, rejected in gone if not rejected),
        graph=graph,
    )
