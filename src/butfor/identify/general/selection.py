"""Recovery from selection bias: effects for everyone from rows that were chosen.

Only P(v | s) is seen, for rows that nodes S selected. A district that causes nothing of S behaves in the chosen rows as
in all: its factor is read off, with the causes of S first in the order; the other districts are parted from it, summed
over what matters no more, and looked at again (Bareinboim and Tian 2015, doi:10.1609/aaai.v29i1.9679; Correa, Tian
and Bareinboim 2019, doi:10.1609/aaai.v33i01.33012744, who prove that what this does not find does not exist).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from butfor.core.errors import NotIdentified
from butfor.graph.causal_graph import CausalGraph
from butfor.graph.districts import ancestors_within, districts
from butfor.identify.expression import Expression, Probability, Variable, product, total
from butfor.identify.general.c_factors import Route, factor_inside, find_route, follow

Nodes = frozenset[str]


@dataclass(frozen=True)
class Round:
    """One look at the rows.

    Attributes:
        order: the nodes that are left, the causes of the choice first.
        free: those in districts that cause nothing of the choice: their behaviour can be read off.
    """

    order: tuple[str, ...]
    free: Nodes


@dataclass(frozen=True)
class Recovery:
    """How the factor of a district follows from chosen rows.

    Attributes:
        rounds: the looks, each at fewer nodes.
        route: from the free district of the last round to the target; None when there is none.
    """

    target: Nodes
    rounds: tuple[Round, ...]
    route: Route | None

    @property
    def exists(self) -> bool:
        """Does the factor follow?"""
        return self.route is not None and self.route.exists

    def factor(self, graph: CausalGraph) -> Expression:
        """Q[target] in terms of the chosen rows.

        Raises:
            NotIdentified: when it does not follow.
        """
        if self.route is None:
            raise NotIdentified(
                f"The choice of rows hides how {', '.join(sorted(self.target))} would behave in all.",
                hint="ask `exists` first",
            )
        found = _joint(graph, self.rounds[0].order)
        for this, following in pairwise(self.rounds):
            rest = frozenset(this.order) - this.free
            found = factor_inside(found, this.order, rest)
            found = total([Variable(n) for n in this.order if n in rest - set(following.order)], found)
        last = self.rounds[-1].order
        return follow(self.route, factor_inside(found, last, self.route.start), last)


def recover(graph: CausalGraph, target: Nodes) -> Recovery:
    """The way from the chosen rows to Q[target], a district with everything else set.

    Args:
        graph: over measured nodes and those that selected the rows.

    >>> graph = CausalGraph.from_any("w1 -> x; w2 -> x -> y; w2 -> s; w1 <-> w2; w1 <-> y; selected s")
    >>> str(recover(graph, frozenset({"y"})).factor(graph))
    'sum_{w1} P(y | x, w1, w2) P(w1 | w2)'
    """
    chosen = graph.selected
    left = frozenset(graph.nodes)
    rounds: list[Round] = []
    while True:
        causes = ancestors_within(graph, chosen & left, left)
        left = causes | ancestors_within(graph, target, left)
        causes &= left
        parts = list(districts(graph, left))
        free = frozenset(n for d in parts if not d & causes for n in d)
        order = _causes_first(graph, causes, left - chosen)
        rounds.append(Round(order, free))
        home = next((d for d in parts if target <= d), None)
        if home is not None and home <= free:
            return Recovery(target, tuple(rounds), find_route(graph, target, home))
        if not free or target & chosen:
            return Recovery(target, tuple(rounds), None)
        left -= free


def _causes_first(graph: CausalGraph, causes: Nodes, nodes: Nodes) -> tuple[str, ...]:
    order = [n for n in graph.topological_order if n in nodes]
    return (*(n for n in order if n in causes), *(n for n in order if n not in causes))


def _joint(graph: CausalGraph, order: Sequence[str]) -> Expression:
    """P(order) in the chosen rows as a chain, each node given no more of those before it than it depends on."""
    factors: list[Expression] = []
    for i, node in enumerate(order):
        given = list(order[:i])
        for other in order[:i]:
            kept = [n for n in given if n != other]
            if graph.is_separated({node}, {other}, graph.selected.union(kept)):
                given = kept
        factors.append(Probability((Variable(node),), tuple(map(Variable, given))))
    return product(reversed(factors))
