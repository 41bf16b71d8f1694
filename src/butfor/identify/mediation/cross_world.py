"""Worlds in which a treatment has two values at once: x along some arrows, x' along all others.

Y(π, x, x') is what the outcome would be if the treatment were seen as x by what the arrows of π carry it to, and as x'
by everything else (Pearl 2001, arXiv:1301.2300). Its distribution is Σ Π Q[D] over the districts D of the total effect,
each with the value of the treatment that it sees. It follows from the data if and only if the total effect does, no node
is needed under both values (recanting witness: Avin, Shpitser and Pearl 2005, ijcai.org/Proceedings/05/Papers/0906.pdf)
and no district sees both (recanting district: Shpitser 2013, doi:10.1111/cogs.12058).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from butfor.core.serial import public_value
from butfor.graph.causal_graph import CausalGraph, Edge
from butfor.graph.districts import latent_projection
from butfor.identify.expression import Expression, Variable
from butfor.identify.expression.expression import substituted
from butfor.identify.general.c_factors import Kernel, Route, factor_along
from butfor.identify.general.effect import GeneralEffect, assemble, identify_effect

Nodes = frozenset[str]


@public_value
@dataclass(frozen=True)
class Recanting:
    """What would have to respond to two values of the treatment at once, so that no data can show it.

    Attributes:
        nodes: one node (recanting witness), or nodes that hidden causes hold together (recanting district).
        active: arrows that need the answer to x: out of the witness, or from the treatment into the district.
        baseline: arrows that need the answer to x'.
    """

    nodes: tuple[str, ...]
    active: tuple[Edge, ...]
    baseline: tuple[Edge, ...]

    @property
    def is_witness(self) -> bool:
        """Is it one node, rather than a district?"""
        return self.active[0][0] in self.nodes

    def explain(self, treatment: str) -> str:
        """The reason in a sentence."""
        chosen, others = (" and ".join(f"{a} -> {b}" for a, b in edges) for edges in (self.active, self.baseline))
        names = " and ".join(self.nodes)
        if self.is_witness:
            return (
                f"{names} responds to {treatment}, and its response to {treatment} is needed along {chosen}, its "
                f"response to {treatment}' along {others}: it would have to take two values in the same unit."
            )
        return (
            f"Hidden common causes hold {names} together, while {treatment} acts along {chosen} and {treatment}' along "
            f"{others}: how they respond together to two values in the same unit cannot be seen."
        )


@dataclass(frozen=True)
class CrossWorld:
    """The outcome when the treatment is x along the active arrows and x' along all others.

    Attributes:
        graph: a graph without latent nodes (`latent_projection`).
        active: arrows; one that no active arrows connect with the treatment carries nothing.
    """

    graph: CausalGraph
    treatment: str
    outcome: str
    active: frozenset[Edge]

    @classmethod
    def of(cls, graph: CausalGraph, treatment: str, outcome: str, active: Iterable[Edge]) -> CrossWorld:
        """The world of a graph that may have latent nodes; the arrows are those of its latent projection."""
        return cls(latent_projection(graph), treatment, outcome, frozenset(active))

    @cached_property
    def carried(self) -> Nodes:
        """Where the active arrows carry the value x."""
        return self.graph.replaced(directed=tuple(self.active)).descendants({self.treatment}) - {self.treatment}

    @cached_property
    def needs(self) -> Mapping[tuple[str, bool], tuple[tuple[str, bool], ...]]:
        """For each node and whether it responds to x, what it reads: parents in the same way. The treatment ends it."""
        start = (self.outcome, self.outcome in self.carried)
        found: dict[tuple[str, bool], tuple[tuple[str, bool], ...]] = {start: ()}
        stack = [start]
        while stack:
            node, responds = stack.pop()
            if node == self.treatment:
                continue
            reads = tuple((p, responds and self._passes(p, node)) for p in self.graph.parents(node))
            found[(node, responds)] = reads
            for other in reads:
                if other not in found:
                    found[other] = ()
                    stack.append(other)
        return found

    def _passes(self, parent: str, child: str) -> bool:
        return (parent, child) in self.active and (parent == self.treatment or parent in self.carried)

    @cached_property
    def effect(self) -> GeneralEffect:
        """The total effect."""
        return identify_effect(self.graph, [self.treatment], [self.outcome])

    @cached_property
    def recanting(self) -> Recanting | None:
        """The node or the district that needs both values, if there is one."""
        twice = [n for n in self.graph.topological_order if {(n, True), (n, False)} <= self.needs.keys()]
        twice = [n for n in twice if n != self.treatment]
        if twice:
            # The last one: its own arrows part there.
            return Recanting((twice[-1],), *(self._readers(twice[-1], value) for value in (True, False)))
        for route in self.effect.routes:
            active, baseline = (self._into(route, value) for value in (True, False))
            if active and baseline:
                return Recanting(tuple(n for n in self.graph.nodes if n in route.target), active, baseline)
        return None

    def _readers(self, node: str, responds: bool) -> tuple[Edge, ...]:
        return tuple(
            dict.fromkeys((node, reader) for (reader, _), reads in self.needs.items() if (node, responds) in reads)
        )

    def _into(self, route: Route, active: bool) -> tuple[Edge, ...]:
        readers = {edge[1] for edge in self._readers(self.treatment, active)} & route.target
        return tuple((self.treatment, n) for n in self.graph.nodes if n in readers)

    @property
    def identified(self) -> bool:
        """Does the distribution follow from what is observed?"""
        return self.effect.identified and self.recanting is None

    def sees_active(self, route: Route) -> bool:
        """Does the district see x (rather than x', or nothing)?"""
        return bool(self._into(route, True))

    def sees_baseline(self, route: Route) -> bool:
        """Does the district see x'?"""
        return bool(self._into(route, False))

    @cached_property
    def expression(self) -> Expression | None:
        """P(outcome) in this world: a function of the outcome, x and x' (`treatment` and its prime); or None."""
        if not self.identified:
            return None
        kernel = Kernel(self.effect.graph, self.effect.ancestral)
        x = Variable(self.treatment)
        factors = [
            substituted(factor, {x: x.primed()}) if self.sees_baseline(route) else factor
            for route in self.effect.routes
            for factor in [factor_along(route, kernel)]
        ]
        return assemble(self.effect, factors)
