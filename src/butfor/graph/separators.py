"""Sets that separate: one, the nearest, all minimal ones, each found in linear time.

Sets A and B are m-separated by W if and only if W cuts A from B in the moral graph of the ancestors of all three
(Richardson 2003, doi:10.1111/1467-9469.00323). Each district with its causes is a clique there; it is kept as one hub
that its members touch, so that the graph stays as small as it was drawn. Nodes that must not separate are walked
through. Van der Zander, Liśkiewicz and Textor 2019 (doi:10.1016/j.artint.2018.12.006) for the reductions; Berry,
Bordat and Cogis 2000 (doi:10.1142/S0129054100000211) for the listing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from butfor.core.effort import Effort
from butfor.graph.causal_graph import CausalGraph
from butfor.graph.districts import districts

Nodes = frozenset[str]
# Hubs are numbers, nodes are names.
Place = str | int
# Nodes visited in a search that nobody has bounded.
MOST_STEPS = 20_000_000


@dataclass(frozen=True)
class Cut:
    """What two sets have between them.

    Attributes:
        neighbours: the moral graph with hubs.
        separators: nodes that a separating set may hold.
    """

    neighbours: dict[Place, list[Place]]
    separators: Nodes
    source: Nodes
    sink: Nodes

    def walk(self, start: Iterable[Place], wall: Nodes) -> tuple[set[Place], Nodes]:
        """What is reached without crossing the wall, and the part of the wall that is touched."""
        seen: set[Place] = set(start)
        stack = list(seen)
        touched: set[str] = set()
        while stack:
            for other in self.neighbours[stack.pop()]:
                if other in wall:
                    touched.add(str(other))
                elif other not in seen:
                    seen.add(other)
                    stack.append(other)
        return seen, frozenset(touched)

    def nearest(self, *, to_sink: bool = False) -> Nodes | None:
        """The minimal separator nearest to the source (or to the sink); None when nothing separates."""
        near, far = (self.sink, self.source) if to_sink else (self.source, self.sink)
        reached, touched = self.walk(near, self.separators)
        return None if reached & far else self.walk(far, touched)[1]

    def around(self, node: str) -> Nodes:
        """The separating nodes next to a node, seen through nodes that must not separate."""
        return self.walk([node], self.separators - {node})[1]


def cut_between(
    graph: CausalGraph,
    first: Iterable[str],
    second: Iterable[str],
    *,
    allowed: Iterable[str],
    always: Iterable[str] = (),
) -> Cut:
    """The moral graph between two sets.

    Args:
        graph: the graph.
        first: one set.
        second: the other.
        allowed: nodes that may separate.
        always: nodes that every separating set holds.
    """
    source, sink, given = frozenset(first), frozenset(second), frozenset(always)
    relevant = graph.ancestors(source | sink | given)
    neighbours: dict[Place, list[Place]] = {n: [] for n in relevant if n not in given}
    for hub, district in enumerate(districts(graph, relevant)):
        members: list[Place] = [n for n in district | {p for n in district for p in graph.parents(n)} if n not in given]
        neighbours[hub] = members
        for member in members:
            neighbours[member].append(hub)
    return Cut(neighbours, (frozenset(allowed) & relevant) - given - source - sink, source, sink)


def minimal_separators(
    graph: CausalGraph,
    first: Iterable[str],
    second: Iterable[str],
    *,
    allowed: Iterable[str] | None = None,
    always: Iterable[str] = (),
    go_on: Callable[[Nodes], bool] | None = None,
    effort: Effort | None = None,
) -> Iterator[Nodes]:
    """Every separating set without a needless node, those near `first` before those behind them.

    Args:
        graph: the graph.
        first: one set.
        second: the other.
        allowed: nodes that may separate; None for all measured ones.
        always: nodes that are given in addition.
        go_on: asked of every set; where the answer is no, neither it nor what lies behind it is listed.
        effort: the nodes that the search may visit.

    >>> graph = CausalGraph.from_any("a -> b -> c; a -> d -> c")
    >>> [sorted(s) for s in minimal_separators(graph, {"a"}, {"c"})]
    [['b', 'd']]
    """
    open_to = graph.observed if allowed is None else allowed
    cut = cut_between(graph, first, second, allowed=open_to, always=always)
    start = cut.nearest()
    effort = effort or Effort(MOST_STEPS)
    if start is None or not (effort.spend(len(cut.neighbours)) and (go_on is None or go_on(start))):
        return
    yield start
    seen = {start}
    queue = [start]
    beside_sink = cut.walk(cut.sink, cut.separators)[1]
    for separator in queue:
        behind = cut.walk(cut.source, separator)[0]
        for node in sorted(separator - beside_sink):
            wall = frozenset(n for n in separator - {node} | cut.around(node) if n not in behind)
            reached, following = cut.walk(cut.sink, wall)
            if not effort.spend(len(reached) + len(separator)):
                return
            if following not in seen:
                seen.add(following)
                if go_on is None or go_on(following):
                    yield following
                    queue.append(following)


def nearest_separator(
    graph: CausalGraph, first: Iterable[str], second: Iterable[str], *, allowed: Iterable[str] | None = None
) -> Nodes | None:
    """The minimal separating set next to `first`; None when nothing separates.

    >>> sorted(nearest_separator(CausalGraph.from_any("a -> b -> c -> d"), {"a"}, {"d"}))
    ['b']
    """
    return cut_between(graph, first, second, allowed=graph.observed if allowed is None else allowed).nearest()


def joined_by_inducing_path(graph: CausalGraph, first: str, second: str) -> bool:
    """Does no set of measured nodes separate the two?"""
    return nearest_separator(graph, {first}, {second}) is None
