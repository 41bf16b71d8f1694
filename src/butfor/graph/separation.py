"""m-separation by reachability: linear in the edges (Shachter's Bayes ball, with bidirected edges).

A walk goes on through a node it enters and leaves: through a collider (arrowheads on both sides) only if the node is an
ancestor of the given set, through any other node only if it is not given itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from butfor.graph.causal_graph import CausalGraph

Nodes = frozenset[str]
# A node together with whether the walk came in through an arrowhead.
State = tuple[str, bool]


def _moves(graph: CausalGraph, node: str) -> Iterator[tuple[str, bool, bool, str]]:
    """(other node, arrowhead here, arrowhead there, how the edge is written) for each edge at the node."""
    for child in graph.children(node):
        yield child, False, True, "->"
    for parent in graph.parents(node):
        yield parent, True, False, "<-"
    for spouse in graph.spouses(node):
        yield spouse, True, True, "<->"


def reachable(graph: CausalGraph, start: Nodes, given: Nodes) -> Nodes:
    """All nodes that an open walk from `start` reaches, given a set."""
    return frozenset(node for node, _ in _search(graph, start, given, frozenset())[0])


def open_path(graph: CausalGraph, start: Nodes, target: Nodes, given: Nodes) -> str | None:
    """A shortest open walk in words, or None."""
    came, end = _search(graph, start, given, target)
    if end is None:
        return None
    words = [end[0]]
    state: State = end
    while came[state] is not None:
        previous, mark = came[state]  # type: ignore[misc]
        words += [mark, previous[0]]
        state = previous
    return " ".join(reversed(words))


def _search(
    graph: CausalGraph, start: Nodes, given: Nodes, target: Nodes
) -> tuple[dict[State, tuple[State, str] | None], State | None]:
    opened_colliders = graph.ancestors(given)
    came: dict[State, tuple[State, str] | None] = {}
    queue: deque[State] = deque()
    for node in sorted(start):
        # A start has no incoming edge: it may be left in every direction.
        came[(node, False)] = None
        queue.append((node, False))
    while queue:
        state = queue.popleft()
        node, through_head = state
        if node in target and came[state] is not None:
            return came, state
        first = came[state] is None
        for other, head_here, head_there, mark in _moves(graph, node):
            collider = through_head and head_here
            passes = first or (node in opened_colliders if collider else node not in given)
            following = (other, head_there)
            if passes and following not in came:
                came[following] = (state, mark)
                queue.append(following)
    return came, None
