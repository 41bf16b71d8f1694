"""m-separation by reachability: linear in the edges (Shachter's Bayes ball, with bidirected edges).

A walk goes on through a node it enters and leaves: through a collider (arrowheads on both sides) only if the node is an
ancestor of the given set, through any other node only if it is not given itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from butfor.graph.causal_graph import CausalGraph

Nodes = frozenset[str]
NONE: Nodes = frozenset()
# A node together with whether the walk came in through an arrowhead.
State = tuple[str, bool]


@dataclass(frozen=True)
class Cutting:
    """A graph without some of its edges, which is asked and never built.

    Attributes:
        into: nodes that nothing acts on, neither arrows nor hidden causes.
        out_of: nodes that act on nothing.
        within: the nodes that walks may visit; None for all.
    """

    graph: CausalGraph
    into: Nodes = NONE
    out_of: Nodes = NONE
    within: Nodes | None = None

    def children(self, node: str) -> Iterable[str]:
        """Direct effects."""
        found = () if node in self.out_of else self.graph.children(node)
        return self._kept(n for n in found if n not in self.into) if self.into else self._kept(found)

    def parents(self, node: str) -> Iterable[str]:
        """Direct causes."""
        found = () if node in self.into else self.graph.parents(node)
        return self._kept(n for n in found if n not in self.out_of) if self.out_of else self._kept(found)

    def spouses(self, node: str) -> Iterable[str]:
        """Nodes with a common hidden cause."""
        found = () if node in self.into else self.graph.spouses(node)
        return self._kept(n for n in found if n not in self.into) if self.into else self._kept(found)

    def ancestors(self, nodes: Iterable[str]) -> Nodes:
        """The nodes and everything that causes them."""
        found = set(nodes)
        stack = list(found)
        while stack:
            for parent in self.parents(stack.pop()):
                if parent not in found:
                    found.add(parent)
                    stack.append(parent)
        return frozenset(found)

    def _kept(self, nodes: Iterable[str]) -> Iterable[str]:
        return nodes if self.within is None else (n for n in nodes if n in self.within)


def reachable(graph: CausalGraph | Cutting, start: Nodes, given: Nodes) -> Nodes:
    """All nodes that an open walk from `start` reaches, given a set."""
    return frozenset(node for node, _ in _search(_cut(graph), start, given, NONE)[0])


def is_connected(graph: CausalGraph | Cutting, first: Nodes, second: Nodes, given: Nodes) -> bool:
    """Does an open walk lead from one set to the other?"""
    if first & second:
        return True
    cutting = _cut(graph)
    # No open walk between the sets leaves their ancestors and those of the given set.
    near = cutting.ancestors(first | second | given)
    return _search(Cutting(cutting.graph, cutting.into, cutting.out_of, near), first, given, second)[1] is not None


def open_path(graph: CausalGraph, start: Nodes, target: Nodes, given: Nodes) -> str | None:
    """A shortest open walk in words, or None."""
    came, end = _search(_cut(graph), start, given, target)
    return None if end is None else " ".join(_words(graph, came, end, given))


def _cut(graph: CausalGraph | Cutting) -> Cutting:
    return graph if isinstance(graph, Cutting) else Cutting(graph)


def _search(
    cutting: Cutting, start: Nodes, given: Nodes, target: Nodes
) -> tuple[dict[State, State | None], State | None]:
    """Where the walks came from, and the place in the target where they ended."""
    opened_colliders = cutting.ancestors(given)
    # A start has no incoming edge: it may be left in every direction.
    came: dict[State, State | None] = {(node, False): None for node in sorted(start)}
    queue: deque[State] = deque(came)
    while queue:
        state = queue.popleft()
        node, through_head = state
        first = came[state] is None
        if node in target and not first:
            return came, state
        following: list[State] = []
        if first or node not in given:
            following += [(child, True) for child in cutting.children(node)]
        if first or (node in opened_colliders if through_head else node not in given):
            following += [(parent, False) for parent in cutting.parents(node)]
            following += [(spouse, True) for spouse in cutting.spouses(node)]
        for place in following:
            if place not in came:
                came[place] = state
                queue.append(place)
    return came, None


def _words(graph: CausalGraph, came: dict[State, State | None], end: State, given: Nodes) -> Iterator[str]:
    """Nodes and edges of a walk, from its start."""
    walk: list[State] = [end]
    while (before := came[walk[-1]]) is not None:
        walk.append(before)
    walk.reverse()
    yield walk[0][0]
    for k, ((node, _), (other, through_head)) in enumerate(pairwise(walk)):
        leaves_by_tail = other in graph.children(node) and (k == 0 or node not in given)
        yield "<-" if not through_head else "->" if leaves_by_tail else "<->"
        yield other
