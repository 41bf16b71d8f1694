"""Covariates for the mediation formula: one set that parts treatment, mediators and outcome.

A set W gives natural direct and indirect effects by Σ_{m,w} P(y | x, m, w) P(m | x', w) P(w) if (1) neither treatment
nor mediators act on it, (2) it separates the treatment from mediators and outcome in the graph without arrows out of the
treatment, and (3) it separates mediators and outcome in the graph without arrows out of treatment and mediators (Pearl
2001, arXiv:1301.2300, theorem 2; Pearl 2014, doi:10.1037/a0036434). Together (2) and (3) say that W parts the three,
pair by pair, in the last graph; so W is a set of nodes whose removal leaves the three in different components of its
moral graph, and nodes of a set that works can be given back one by one.
"""

from __future__ import annotations

from collections.abc import Iterable

from butfor.graph.causal_graph import CausalGraph
from butfor.graph.separators import Cut, Place, cut_between

Nodes = frozenset[str]


def is_mediation_set(
    graph: CausalGraph, treatment: str, outcome: str, mediators: Iterable[str], adjust_for: Iterable[str]
) -> bool:
    """Does the mediation formula with these covariates give natural direct and indirect effects?

    >>> graph = CausalGraph.from_any("c -> x -> m -> y; c -> m; c -> y; x -> y")
    >>> is_mediation_set(graph, "x", "y", ["m"], ["c"]), is_mediation_set(graph, "x", "y", ["m"], [])
    (True, False)
    """
    m, w = (frozenset(map(graph.check, names)) for names in (mediators, adjust_for))
    first = graph.without_edges_out_of({treatment})
    second = first.without_edges_out_of(m)
    return (
        w <= _candidates(graph, treatment, outcome, m)
        and first.is_separated({treatment}, {*m, outcome}, w)
        and second.is_separated(m, {outcome}, w)
    )


def mediation_set(graph: CausalGraph, treatment: str, outcome: str, mediators: Iterable[str]) -> tuple[str, ...] | None:
    """A set for the mediation formula that holds no needless node, near mediators and outcome; None if there is none.

    Time: linear in the graph.

    >>> graph = CausalGraph.from_any("a -> x; a -> c; c -> m; c -> y; x -> m -> y; x -> y")
    >>> mediation_set(graph, "x", "y", ["m"])
    ('c',)
    """
    m = frozenset(map(graph.check, mediators))
    if m & graph.ancestors({treatment}):
        return None  # what leads from a mediator to the treatment is an effect of the mediator: no covariate blocks it
    cut = cut_between(
        graph.without_edges_out_of({treatment, *m}),
        {treatment},
        {*m, outcome},
        allowed=_candidates(graph, treatment, outcome, m),
    )
    causes_first = [n for n in graph.topological_order if n in cut.separators]
    kept = _multiway_cut(cut, [frozenset({treatment}), m, frozenset({outcome})], causes_first)
    return None if kept is None else tuple(n for n in graph.nodes if n in kept)


def _candidates(graph: CausalGraph, treatment: str, outcome: str, mediators: Nodes) -> Nodes:
    return frozenset(graph.observed) - graph.descendants({treatment, *mediators}) - {outcome}


def _multiway_cut(cut: Cut, terminals: list[Nodes], order: list[str]) -> set[str] | None:
    """A smallest part of the separating nodes that keeps the terminals apart; what comes first in `order` goes first."""
    wall = set(order)
    side: dict[Place, int] = {}
    for number, nodes in enumerate(terminals):
        for node in nodes:
            if not _spread(cut, node, number, side, wall):
                return None
    for node in order:
        sides = {side[other] for other in cut.neighbours[node] if other in side}
        if len(sides) < 2:
            wall.remove(node)
            if sides:
                _spread(cut, node, sides.pop(), side, wall)
    return wall


def _spread(cut: Cut, start: Place, number: int, side: dict[Place, int], wall: set[str]) -> bool:
    """Mark what is reached from a place without crossing the wall; False when it is another side already."""
    if start in side:
        return side[start] == number
    side[start] = number
    stack = [start]
    while stack:
        for other in cut.neighbours[stack.pop()]:
            if other in wall:
                continue
            if other not in side:
                side[other] = number
                stack.append(other)
            elif side[other] != number:
                return False
    return True
