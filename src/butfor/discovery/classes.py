"""What a CPDAG or PDAG stands for: its graphs, and the causes that a node may have in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

from butfor.core.effort import Effort
from butfor.core.errors import GraphError, MethodMismatch
from butfor.graph.causal_graph import CausalGraph, Edge
from butfor.graph.marked_graph import MarkedEdge, MarkedGraph
from butfor.identify.generalised_adjustment import closed, member

# A node, and two causes of it.
Collider = tuple[str, frozenset[str]]
# Closings of a graph, each a pass over its edges.
STEPS = 2_000


def graphs_of(graph: MarkedGraph, effort: Effort | None = None) -> Iterator[CausalGraph]:
    """Every acyclic graph that a CPDAG or PDAG stands for, until the effort ends.

    Once every direction that follows is drawn, any other edge may point both ways (Meek 1995, arXiv:1302.4972, theorem
    4): no branch of the search is in vain.

    Raises:
        MethodMismatch: for a MAG or PAG.
        GraphError: when the graph stands for none.

    >>> chain = MarkedGraph.from_text("pdag { a -- b -- c }")
    >>> [graph.directed for graph in graphs_of(chain)]
    [(('b', 'a'), ('c', 'b')), (('b', 'a'), ('b', 'c')), (('a', 'b'), ('b', 'c'))]
    """
    _refuse_hidden(graph)
    spent = effort or Effort(STEPS)
    member(closed(graph))
    waiting = [graph]
    while waiting and spent.spend():
        known = closed(waiting.pop())
        free = next(((a, b) for a, here, there, b in known.edges if here == there), None)
        if free is None:
            yield known.definite
        else:
            a, b = free
            waiting += [_directed(known, {(a, b)}), _directed(known, {(b, a)})]


def possible_parents(graph: MarkedGraph, node: str, effort: Effort | None = None) -> Iterator[tuple[str, ...]]:
    """Every set of direct causes that a node has in some graph of a CPDAG or PDAG, until the effort ends.

    Adjusting for each of them in turn gives every effect of the node that the class allows (IDA: Maathuis, Kalisch and
    Bühlmann 2009, doi:10.1214/09-AOS685; with knowledge, the semi-local version of Perković, Kalisch and Maathuis 2017,
    arXiv:1707.02171). Each set comes once, however many graphs have it.

    Raises:
        MethodMismatch: for a MAG or PAG.
        UnknownNode: for a node that is not in the graph.
        GraphError: when the graph stands for none.

    >>> list(possible_parents(MarkedGraph.from_text("pdag { a -- b -- c }"), "b"))
    [(), ('a',), ('c',)]
    """
    _refuse_hidden(graph)
    spent = effort or Effort(STEPS)
    graph.check(node)
    known = closed(graph)
    colliders = _colliders(member(known))
    certain = [n for n in known.neighbours(node) if known.is_directed(n, node)]
    open_ended = [n for n in known.neighbours(node) if known.mark(node, n) == known.mark(n, node) == "tail"]
    position = {n: i for i, n in enumerate(known.nodes)}
    # Sets grow by later neighbours that are joined to all before them: two causes without an edge make a collider.
    waiting: list[tuple[str, ...]] = [()]
    while waiting and spent.spend():
        chosen = waiting.pop(0)
        arrows: set[Edge] = {(n, node) for n in chosen} | {(node, n) for n in open_ended if n not in chosen}
        if _allows(known, arrows, colliders):
            yield tuple(sorted((*certain, *chosen), key=position.__getitem__))
        after = open_ended[open_ended.index(chosen[-1]) + 1 :] if chosen else open_ended
        waiting += [(*chosen, n) for n in after if all(known.is_adjacent(n, other) for other in chosen)]


def _directed(graph: MarkedGraph, arrows: set[Edge]) -> MarkedGraph:
    """The graph with these of its edges directed."""
    edges: list[MarkedEdge] = []
    for a, here, there, b in graph.edges:
        forth, back = (a, b) in arrows, (b, a) in arrows
        edges.append((a, "tail", "arrow", b) if forth else (b, "tail", "arrow", a) if back else (a, here, there, b))
    return replace(graph, edges=tuple(edges))


def _allows(graph: MarkedGraph, arrows: set[Edge], colliders: frozenset[Collider]) -> bool:
    """Has the graph a member with these arrows and no further colliders?"""
    try:
        return _colliders(member(closed(_directed(graph, arrows)))) == colliders
    except GraphError:
        return False


def _colliders(graph: CausalGraph) -> frozenset[Collider]:
    """Nodes with two causes that have no edge between them."""
    joined = {frozenset(edge) for edge in graph.directed}
    pairs = ((node, frozenset(two)) for node in graph.nodes for two in combinations(graph.parents(node), 2))
    return frozenset((node, two) for node, two in pairs if two not in joined)


def _refuse_hidden(graph: MarkedGraph) -> None:
    if graph.kind != "pdag":
        raise MethodMismatch(
            f"The graph is a {graph.kind.upper()}; listing graphs and causes needs a graph without hidden causes.",
            hint="learn a CPDAG with PC() or GES()",
        )
