"""C-factors: how each district behaves when everything else is set from outside, and how one follows from another.

Q[C] = P(c | do(everything else)). Tian and Pearl 2002 (https://cdn.aaai.org/AAAI/2002/AAAI02-085.pdf), Tian and Pearl
2003 (UAI, arXiv:1212.2501) and Huang and Valtorta 2006 (arXiv:1206.6831), who prove that what `find_route` does not
find does not exist.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from butfor.graph.causal_graph import CausalGraph
from butfor.graph.districts import ancestors_within, district_of, markov_pillows
from butfor.identify.expression import Expression, Probability, Variable, product, ratio, total

Nodes = frozenset[str]


@dataclass(frozen=True)
class Route:
    """How Q[target] follows from Q[start].

    Attributes:
        steps: (A, T): first the factor is summed down to the ancestral set A, then to the district T inside A.
        stuck: the district in which the way ends when there is none; `()` otherwise.
    """

    target: Nodes
    start: Nodes
    steps: tuple[tuple[Nodes, Nodes], ...] = ()
    stuck: Nodes = frozenset()

    @property
    def exists(self) -> bool:
        """Does the factor follow?"""
        return not self.stuck


def find_route(graph: CausalGraph, target: Nodes, start: Nodes) -> Route:
    """The way from Q[start] to Q[target], both districts, target inside start."""
    steps: list[tuple[Nodes, Nodes]] = []
    district = start
    while True:
        ancestral = ancestors_within(graph, target, district)
        if ancestral == target:
            return Route(target, start, tuple([*steps, (target, target)] if district != target else steps))
        if ancestral == district:
            return Route(target, start, tuple(steps), stuck=district)
        following = district_of(graph, next(iter(target)), ancestral)
        steps.append((ancestral, following))
        district = following
        if district == target:
            return Route(target, start, tuple(steps))


@dataclass(frozen=True)
class Kernel:
    """The distribution that a route starts from: P(random | do(fixed)) in a population.

    Attributes:
        random: the variables that vary, an ancestral set of the graph in which the fixed ones are set.
    """

    graph: CausalGraph
    random: Nodes
    fixed: Nodes = frozenset()
    population: str = ""

    @cached_property
    def _place(self) -> Mapping[str, int]:
        return {n: i for i, n in enumerate(self.graph.topological_order)}

    @cached_property
    def _given(self) -> Mapping[str, tuple[Variable, ...]]:
        """What the probability of each node is given."""
        return {
            node: tuple(Variable(n) for n in sorted(pillow - self.fixed, key=self._place.__getitem__))
            for node, pillow in markov_pillows(self.graph, self.random, self.graph.topological_order)
        }

    def factor(self, district: Nodes) -> Expression:
        """Q[district] as a product of conditional probabilities, effects before their causes."""
        do = tuple(Variable(n) for n in sorted(self.fixed, key=self._place.__getitem__))
        order = sorted(district.intersection(self._given), key=self._place.__getitem__, reverse=True)
        return product(Probability((Variable(n),), self._given[n], do, self.population) for n in order)


def factor_along(route: Route, kernel: Kernel) -> Expression:
    """Q[target] as an expression in the kernel."""
    return follow(route, kernel.factor(route.start), kernel.graph.topological_order)


def follow(route: Route, start: Expression, order: Sequence[str]) -> Expression:
    """Q[target] from Q[start]."""
    found, district = start, route.start
    for ancestral, following in route.steps:
        gone = district - ancestral
        found = total([Variable(n) for n in order if n in gone], found)
        found = factor_inside(found, [n for n in order if n in ancestral], following)
        district = following
    return found


def factor_inside(whole: Expression, order: Sequence[str], part: Nodes) -> Expression:
    """Π P(v | before v) over a part, from the joint of nodes in order: Q[part] for districts of them (Tian and Pearl
    2002, lemma 4), one ratio for each run of neighbours in the order."""
    if len(part) == len(order):
        return whole
    factors: list[Expression] = []
    end = len(order)
    while end > 0:
        start = end
        while start > 0 and order[start - 1] in part:
            start -= 1
        if start < end:
            after, run = order[end:], order[start:end]
            above = total(map(Variable, after), whole)
            factors.append(ratio(above, total(map(Variable, run), above)))
            end = start
        else:
            end -= 1
    return product(factors)
