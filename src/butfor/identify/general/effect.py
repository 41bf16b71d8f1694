"""ID and IDC: the complete identification of P(outcomes | do(treatments), given) from what can be observed.

The effect is Σ Π Q[D_i] over the districts D_i of the outcome's ancestors once the treatments are set (Tian and Pearl
2003); a conditional effect first turns what it can of its conditions into treatments (Shpitser and Pearl 2006,
arXiv:1206.6876, theorem 6).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from butfor.graph.causal_graph import CausalGraph
from butfor.graph.districts import ancestors_within, district_of, districts, latent_projection
from butfor.identify.expression import Expression, Probability, Variable, product, ratio, total
from butfor.identify.expression.expression import with_clear_names
from butfor.identify.general.c_factors import Kernel, Route, factor_along, find_route
from butfor.identify.general.hedge import Hedge

Nodes = frozenset[str]
# Beyond so many nodes, or so many probabilities, an expression is no answer that anybody reads: each step of a route
# can more than double what is written.
MOST_NODES = 1_000
MOST_WRITTEN = 5_000
MOST_NESTED = 100


@dataclass(frozen=True)
class GeneralEffect:
    """The answer of the general algorithm.

    Attributes:
        graph: the latent projection, over measured nodes.
        treatments, outcomes, given: the query after conditions became treatments where rule 2 allows it.
        exchanged: those conditions.
        ancestral: causes of the outcomes (and conditions), the only nodes that matter.
        random: those of them that stay random once the treatments are set.
        routes: for each district of `random` the way from what is observed to its factor.
    """

    graph: CausalGraph
    treatments: Nodes
    outcomes: Nodes
    given: Nodes
    exchanged: Nodes
    ancestral: Nodes
    random: Nodes
    routes: tuple[Route, ...]

    @property
    def identified(self) -> bool:
        """Does the effect follow from what is observed?"""
        return all(r.exists for r in self.routes)

    @cached_property
    def hedge(self) -> Hedge | None:
        """The reason why it does not."""
        for route in self.routes:
            if not route.exists:
                order = [n for n in self.graph.nodes if n in route.stuck]
                return Hedge(tuple(order), tuple(n for n in order if n in route.target))
        return None

    @cached_property
    def expression(self) -> Expression | None:
        """The effect in terms of what is observed; None where there is none, or none that anybody could read."""
        if not self.identified or len(self.ancestral) > MOST_NODES:
            return None
        kernel = Kernel(self.graph, self.ancestral)
        found = assemble(self, [factor_along(route, kernel) for route in self.routes])
        return found if is_readable(found) else None


def identify_effect(
    graph: CausalGraph, treatments: Iterable[str], outcomes: Iterable[str], given: Iterable[str] = ()
) -> GeneralEffect:
    """P(outcomes | do(treatments), given) from the observed distribution.

    >>> found = identify_effect(CausalGraph.from_any("x -> m -> y; x <-> y"), ["x"], ["y"])
    >>> str(found.expression)
    "sum_{m} P(m | x) sum_{x'} P(y | x', m) P(x')"
    """
    query = pose(graph, treatments, outcomes, given)
    routes = tuple(
        find_route(query.graph, d, district_of(query.graph, next(iter(d)), query.ancestral))
        for d in districts(query.graph, query.random)
    )
    return replace(query, routes=routes)


def pose(
    graph: CausalGraph, treatments: Iterable[str], outcomes: Iterable[str], given: Iterable[str] = ()
) -> GeneralEffect:
    """The query, with what matters for it; no routes yet."""
    projected = latent_projection(graph)
    x, y, z = (frozenset(projected.check(n) for n in names) for names in (treatments, outcomes, given))
    kept = exchange(projected, x, y, z)
    exchanged = z - kept
    x |= exchanged
    ancestral = projected.ancestors(y | kept)
    random = ancestors_within(projected, y | kept, ancestral - x)
    return GeneralEffect(projected, x, y, kept, exchanged, ancestral, random, ())


def exchange(graph: CausalGraph, treatments: Nodes, outcomes: Nodes, given: Nodes) -> Nodes:
    """The conditions that are left after rule 2 of do-calculus has turned what it can into interventions."""
    left, x = given, treatments
    for node in [n for n in graph.nodes if n in given]:
        others = left - {node}
        if graph.is_separated(outcomes, {node}, x | others, no_edges_into=x, no_edges_out_of={node}):
            left, x = others, x | {node}
    return left


def assemble(query: GeneralEffect, factors: list[Expression], population: str = "") -> Expression:
    """Σ Π Q[D_i], divided by its own sum over the outcomes when there are conditions; without loose ends."""
    effect = combine(query, factors)
    return without_loose_ends(effect, loose_ends(query, effect), population)


def combine(query: GeneralEffect, factors: list[Expression]) -> Expression:
    """Σ Π Q[D_i], divided by its own sum over the outcomes when there are conditions."""
    order = [n for n in query.graph.topological_order if n in query.random]
    hidden = [Variable(n) for n in order if n not in query.outcomes and n not in query.given]
    place = {Variable(n): i for i, n in enumerate(order)}
    effects_first = sorted(factors, key=lambda f: -max((place.get(v, -1) for v in f.free), default=-1))
    effect = total(hidden, product(effects_first))
    return ratio(effect, total([Variable(n) for n in order if n in query.outcomes], effect)) if query.given else effect


def loose_ends(query: GeneralEffect, effect: Expression) -> tuple[Variable, ...]:
    """Variables of the effect that nobody asked about: it is the same for each of their values."""
    asked = query.treatments | query.outcomes | query.given
    return tuple(sorted(v for v in effect.free if v.name not in asked))


def without_loose_ends(effect: Expression, loose: tuple[Variable, ...], population: str = "") -> Expression:
    """The average over the loose ends, as they are distributed in a population."""
    if loose:
        effect = total(loose, product([effect, Probability(loose, population=population)]))
    return with_clear_names(effect) if is_readable(effect) else effect


def is_readable(effect: Expression) -> bool:
    """Can the expression be written out?"""
    return effect.size <= MOST_WRITTEN and effect.depth <= MOST_NESTED
