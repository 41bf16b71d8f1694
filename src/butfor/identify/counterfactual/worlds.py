"""Counterfactual graphs: several worlds of the same units side by side, with what must agree made one.

A world is the model under one set of interventions; all worlds share the hidden causes. Two copies of a variable are
one when each of their causes has the same value, be it set, observed or common to both worlds (Shpitser and Pearl 2008,
https://jmlr.org/papers/v9/shpitser08a.html, lemmas 24 and 25: make-cg).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from butfor.graph.causal_graph import CausalGraph
from butfor.graph.districts import ancestors_within, districts
from butfor.identify.counterfactual.events import CounterfactualEvent, NaturalValue, World
from butfor.identify.expression import Variable

Causes = tuple[Variable, ...]


@dataclass(frozen=True)
class CounterfactualNode:
    """A variable in one or more worlds.

    Attributes:
        value: its value: a fixed one where the query fixes it, else an index to sum over.
        causes: the values of its direct causes, in the order of the graph; they are what tells worlds apart.
        fixed: does the query fix the value?
    """

    value: Variable
    causes: Causes
    fixed: bool

    def __str__(self) -> str:
        return str(CounterfactualEvent(self.value, self.causes))


Nodes = tuple[CounterfactualNode, ...]


@dataclass
class Indices:
    """The index of each variable that the query leaves open: the same wherever the same node occurs.

    Attributes:
        taken: the values that the query fixes, which no index may be confused with.
    """

    taken: set[Variable]
    known: dict[tuple[str, Causes], Variable] = field(default_factory=dict[tuple[str, Causes], Variable])

    def of(self, name: str, causes: Causes) -> Variable:
        """The index of the copy of a variable that has these causes."""
        if (name, causes) not in self.known:
            index = Variable(name)
            while index in self.taken:
                index = index.primed()
            self.taken.add(index)
            self.known[name, causes] = index
        return self.known[name, causes]


@dataclass(frozen=True)
class CounterfactualGraph:
    """The causes of some events in all their worlds.

    Attributes:
        graph: the causal graph, over measured nodes.
        nodes: causes before effects.
    """

    graph: CausalGraph
    nodes: Nodes

    def components(self) -> Iterator[Nodes]:
        """Nodes that hidden causes tie together; copies of one variable have the same hidden causes."""
        for district in districts(self.graph, (n.value.name for n in self.nodes)):
            yield tuple(n for n in self.nodes if n.value.name in district)

    def blocks(self) -> tuple[tuple[Nodes, ...], ...]:
        """The factors of the probability of all events: components that depend on the same open values."""
        is_open = {n.value for n in self.nodes if not n.fixed}
        groups: list[tuple[set[Variable], list[Nodes]]] = []
        for component in self.components():
            values = {v for n in component for v in (n.value, *n.causes)} & is_open
            joined = [g for g in groups if g[0] & values]
            groups = [g for g in groups if not g[0] & values]
            groups.append((values.union(*(g[0] for g in joined)), [*(c for g in joined for c in g[1]), component]))
        return tuple(tuple(components) for _, components in groups)


def counterfactual_graph(
    graph: CausalGraph, events: Iterable[CounterfactualEvent], indices: Indices
) -> CounterfactualGraph | None:
    """The counterfactual graph of some events, or None if they cannot all happen.

    Args:
        graph: a graph without latent nodes.
        events: what happens.
        indices: of what the events leave open.

    >>> seen, asked = CounterfactualEvent(Variable("x", 1)), CounterfactualEvent(Variable("y"), (Variable("x"),))
    >>> indices = Indices({Variable("x"), Variable("x", 1), Variable("y")})
    >>> made = counterfactual_graph(CausalGraph.from_any("x -> m -> y"), [seen, asked], indices)
    >>> print(*made.nodes)
    x' m_{x} y_{m}
    """
    happening = [e for e in (e.plain for e in events) if not e.certain]
    if any(e.impossible for e in happening):
        return None
    worlds = _worlds(graph, happening)
    made: dict[CounterfactualNode, None] = {}
    for name in graph.topological_order:
        copies: dict[Causes, list[_World]] = {}
        for world in worlds.values():
            if name in world.relevant:
                copies.setdefault(tuple(world.values[p] for p in graph.parents(name)), []).append(world)
        for causes, places in copies.items():
            seen = {v for world in places for v in world.seen if v.name == name}
            if len(seen) > 1:
                return None
            value = next(iter(seen)) if seen else indices.of(name, causes)
            made[CounterfactualNode(value, causes, bool(seen))] = None
            for world in places:
                world.values[name] = value
        for world in worlds.values():
            for setting in world.natural:
                if setting.name == name and setting.do in worlds and name in worlds[setting.do].values:
                    world.values[name] = worlds[setting.do].values[name]
    return CounterfactualGraph(graph, tuple(made))


@dataclass
class _World:
    """One world while the graph is made.

    Attributes:
        do: what is set.
        wanted: variables whose value matters in itself.
        seen: values that the events fix.
        relevant: what is wanted and its causes, but for what is set.
        values: of what is set, and of what is relevant, as they become known.
    """

    do: World
    wanted: set[str] = field(default_factory=set[str])
    seen: set[Variable] = field(default_factory=set[Variable])
    relevant: frozenset[str] = frozenset()
    values: dict[str, Variable] = field(default_factory=dict[str, Variable])

    @property
    def natural(self) -> list[NaturalValue]:
        return [s for s in self.do if isinstance(s, NaturalValue)]


def _worlds(graph: CausalGraph, events: list[CounterfactualEvent]) -> dict[World, _World]:
    """The worlds of the events, and those that natural values come from where they matter."""
    worlds: dict[World, _World] = {}
    waiting = [(e.do, e.name, {e.value}) for e in events]
    while waiting:
        do, name, seen = waiting.pop(0)
        world = worlds.setdefault(do, _World(do, values={s.name: s for s in do if isinstance(s, Variable)}))
        world.seen |= seen
        if name in world.wanted:
            continue
        world.wanted.add(name)
        free = frozenset(graph.nodes) - {s.name for s in do}
        world.relevant = ancestors_within(graph, world.wanted, free)
        needed = {p for n in world.relevant for p in graph.parents(n)}
        waiting += [(s.do, s.name, set[Variable]()) for s in world.natural if s.name in needed]
    return worlds
