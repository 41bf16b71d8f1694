"""The causal graph: who causes whom, what was not measured, and what that implies."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from butfor.core.errors import CyclicGraph, GraphSyntax, UnknownNode
from butfor.core.serial import public_value
from butfor.graph import separation
from butfor.graph.content import ByContent

Edge = tuple[str, str]
# The fields that mark nodes, with the word that marks a node in text and in attributes.
ROLES = {
    "latent": "latent",
    "selected": "selected",
    "exposures": "exposure",
    "outcomes": "outcome",
    "adjusted": "adjusted",
}
# Nodes of a cycle that an error shows.
MOST_SHOWN = 30


@public_value
@dataclass(frozen=True, eq=False)
class CausalGraph(ByContent):
    """A directed acyclic graph with unmeasured causes.

    Graphs are equal when they have the same nodes, edges and roles, in whatever order.

    Args:
        nodes: all names, in the order in which they are shown; nodes of edges are added.
        directed: (cause, effect) pairs.
        bidirected: pairs with an unmeasured common cause.
        latent: nodes that were not measured.
        selected: nodes that decide whether a row is in the data.
        exposures: nodes that a drawing marks as causes in question; kept, but never used for identification.
        outcomes: nodes that a drawing marks as effects in question; likewise.
        adjusted: nodes that a drawing marks as adjusted for; likewise.

    Raises:
        CyclicGraph: with the cycle.
        GraphSyntax: for a node that causes itself, a node without a name, an edge that is not a pair.
        UnknownNode: for a marked node that is not in the graph.

    >>> graph = CausalGraph.from_any("z -> x -> y; z -> y; x <-> y")
    >>> sorted(graph.parents("y")), graph.bidirected
    (['x', 'z'], (('x', 'y'),))
    """

    nodes: tuple[str, ...]
    directed: tuple[Edge, ...] = ()
    bidirected: tuple[Edge, ...] = ()
    latent: frozenset[str] = frozenset()
    selected: frozenset[str] = frozenset()
    exposures: frozenset[str] = frozenset()
    outcomes: frozenset[str] = frozenset()
    adjusted: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        directed = tuple(dict.fromkeys(_pairs(self.directed)))
        joined = {frozenset(pair): pair for pair in reversed(_pairs(self.bidirected))}
        bidirected = tuple(reversed(joined.values()))
        for a, b in (*directed, *bidirected):
            if a == b:
                raise GraphSyntax(
                    f"Node {a!r} has an edge to itself; a causal graph needs edges between two nodes.",
                    hint=f"remove {a!r} -> {a!r}",
                )
        nodes = tuple(dict.fromkeys([*map(str, self.nodes), *(n for e in (*directed, *bidirected) for n in e)]))
        if "" in nodes:
            raise GraphSyntax("A node has an empty name; a causal graph needs names.", hint="name every node")
        for name, value in (("nodes", nodes), ("directed", directed), ("bidirected", bidirected)):
            object.__setattr__(self, name, value)
        for marks, role in ROLES.items():
            marked = frozenset(map(str, getattr(self, marks)))
            for name in sorted(marked.difference(nodes)):
                raise UnknownNode.named(name, nodes, role=role)
            object.__setattr__(self, marks, marked)
        self._refuse_cycles()

    @classmethod
    def from_any(cls, source: Any) -> CausalGraph:
        """A graph from whatever holds one.

        Args:
            source: text (arrows, dagitty, DOT, GML, GraphML, JSON, lavaan), a path to a file of such text, a dict, or
                a graph of networkx or causal-learn.

        Raises:
            GraphSyntax: for text that is no graph, with its line, and for graphs that are not directed.
            CyclicGraph: with the cycle.

        >>> CausalGraph.from_any("dag { x [exposure] y [outcome] u [latent] x -> y x <- u -> y }").observed
        ('x', 'y')
        """
        from butfor.graph.formats import read_any

        return read_any(source)

    @cached_property
    def content(self) -> Hashable:
        """All that the graph says, without the order in which it says it."""
        roles = tuple(getattr(self, marks) for marks in ROLES)
        return frozenset(self.nodes), frozenset(self.directed), frozenset(map(frozenset, self.bidirected)), roles

    # --- neighbours ----------------------------------------------------------------------------------------------

    @cached_property
    def _parents(self) -> Mapping[str, tuple[str, ...]]:
        return _grouped(self.nodes, ((b, a) for a, b in self.directed))

    @cached_property
    def _children(self) -> Mapping[str, tuple[str, ...]]:
        return _grouped(self.nodes, self.directed)

    @cached_property
    def _spouses(self) -> Mapping[str, tuple[str, ...]]:
        return _grouped(self.nodes, (pair for a, b in self.bidirected for pair in ((a, b), (b, a))))

    def parents(self, node: str) -> tuple[str, ...]:
        """Direct causes."""
        return self._parents[self.check(node)]

    def children(self, node: str) -> tuple[str, ...]:
        """Direct effects."""
        return self._children[self.check(node)]

    def spouses(self, node: str) -> tuple[str, ...]:
        """Nodes joined by a bidirected edge."""
        return self._spouses[self.check(node)]

    def ancestors(self, nodes: Iterable[str]) -> frozenset[str]:
        """The nodes and everything that causes them."""
        return _closure(self._parents, map(self.check, nodes))

    def descendants(self, nodes: Iterable[str]) -> frozenset[str]:
        """The nodes and everything that they cause."""
        return _closure(self._children, map(self.check, nodes))

    @property
    def observed(self) -> tuple[str, ...]:
        """Measured nodes."""
        return tuple(n for n in self.nodes if n not in self.latent)

    def roles(self, node: str) -> tuple[str, ...]:
        """What the node is marked as, in words.

        >>> CausalGraph(("u", "y"), (("u", "y"),), latent=frozenset({"u"})).roles("u")
        ('latent',)
        """
        return tuple(role for marks, role in ROLES.items() if node in getattr(self, marks))

    @cached_property
    def position(self) -> Mapping[str, int]:
        """Where each node stands in `nodes`."""
        return {n: i for i, n in enumerate(self.nodes)}

    @cached_property
    def topological_order(self) -> tuple[str, ...]:
        """Causes before effects; ties in the order of `nodes`."""
        waiting = {n: len(self._parents[n]) for n in self.nodes}
        ready = [n for n in self.nodes if not waiting[n]]
        order: list[str] = []
        for node in ready:
            order.append(node)
            for child in self._children[node]:
                waiting[child] -= 1
                if not waiting[child]:
                    ready.append(child)
        return tuple(order)

    def check(self, node: str, *, role: str = "query") -> str:
        """The node itself.

        Raises:
            UnknownNode: with the nearest name.
        """
        if node not in self._parents:
            raise UnknownNode.named(node, self.nodes, role=role)
        return node

    # --- separation ----------------------------------------------------------------------------------------------

    def is_separated(
        self,
        first: Iterable[str],
        second: Iterable[str],
        given: Iterable[str] = (),
        *,
        no_edges_into: Iterable[str] = (),
        no_edges_out_of: Iterable[str] = (),
    ) -> bool:
        """Does the graph make the two sets independent given a third (m-separation)?

        Args:
            first: one set.
            second: the other.
            given: the third.
            no_edges_into: nodes whose incoming edges are taken away, as do-calculus asks for.
            no_edges_out_of: nodes whose outgoing edges are.

        >>> graph = CausalGraph.from_any("x -> m -> y; u -> x; u -> m")
        >>> graph.is_separated({"x"}, {"y"}, {"m"}), graph.is_separated({"x"}, {"y"}, no_edges_out_of={"m"})
        (True, True)
        """
        a, b, z = (frozenset(map(self.check, nodes)) for nodes in (first, second, given))
        cutting = separation.Cutting(self, frozenset(no_edges_into), frozenset(no_edges_out_of))
        return not separation.is_connected(cutting, a - z, b, z)

    def open_path(self, first: Iterable[str], second: Iterable[str], given: Iterable[str] = ()) -> str | None:
        """A shortest path along which the two sets depend on each other given a third, such as `x <- u -> y`."""
        a, b, z = (frozenset(map(self.check, nodes)) for nodes in (first, second, given))
        return separation.open_path(self, a - z, b, z)

    def is_backdoor_set(self, treatment: str, outcome: str, adjust_for: Iterable[str]) -> bool:
        """Pearl's back-door criterion: no descendant of the treatment, and every back-door path blocked."""
        z = frozenset(adjust_for)
        if z & (self.descendants({treatment}) | self.latent):
            return False
        return self.is_separated({treatment}, {outcome}, z, no_edges_out_of={treatment})

    # --- other graphs --------------------------------------------------------------------------------------------

    def without_edges_out_of(self, nodes: Iterable[str]) -> CausalGraph:
        """The graph in which the nodes cause nothing."""
        gone = frozenset(nodes)
        return self.replaced(directed=tuple(e for e in self.directed if e[0] not in gone))

    def restricted_to(self, nodes: Iterable[str]) -> CausalGraph:
        """The graph over some of its nodes, with the edges between them.

        >>> CausalGraph.from_any("a -> b -> c; a <-> c").restricted_to({"a", "b"}).directed
        (('a', 'b'),)
        """
        kept = frozenset(nodes)
        directed, bidirected = (
            tuple(e for e in edges if e[0] in kept and e[1] in kept) for edges in (self.directed, self.bidirected)
        )
        marks = {name: getattr(self, name) & kept for name in ROLES}
        return CausalGraph(tuple(n for n in self.nodes if n in kept), directed, bidirected, **marks)

    def with_latent(self, nodes: Iterable[str]) -> CausalGraph:
        """The graph with more nodes marked as not measured."""
        return self.replaced(latent=self.latent | frozenset(nodes))

    def replaced(
        self,
        *,
        directed: tuple[Edge, ...] | None = None,
        bidirected: tuple[Edge, ...] | None = None,
        latent: frozenset[str] | None = None,
    ) -> CausalGraph:
        """The graph with other edges or other latent nodes."""
        new: dict[str, Any] = {"directed": directed, "bidirected": bidirected, "latent": latent}
        new = {name: value for name, value in new.items() if value is not None}
        if any(not self._holds(name, value) for name, value in new.items()):
            return replace(self, **new)
        # What is part of a graph is one: nothing has to be checked again, and what is the same is not counted again.
        part = object.__new__(CausalGraph)
        stale = (
            {"content"}
            | ({"_parents", "_children", "topological_order"} if "directed" in new else set[str]())
            | ({"_spouses"} if "bidirected" in new else set[str]())
        )
        part.__dict__.update({k: v for k, v in self.__dict__.items() if k not in stale} | new)
        return part

    def _holds(self, name: str, value: Collection[Any]) -> bool:
        """Are these some of the graph's own edges or nodes, each once?"""
        whole = self._parents.keys() if name == "latent" else set(getattr(self, name))
        return len(frozenset(value)) == len(value) and whole >= frozenset(value)

    # --- text ----------------------------------------------------------------------------------------------------

    def to_text(self) -> str:
        """Arrow text, one statement a line."""
        from butfor.graph.formats.arrows import write

        return write(self)

    def to_dot(self) -> str:
        """Graphviz DOT."""
        from butfor.graph.formats.dot import write

        return write(self)

    def to_dagitty(self) -> str:
        """dagitty text."""
        from butfor.graph.formats.dagitty import write

        return write(self)

    def to_gml(self) -> str:
        """GML."""
        from butfor.graph.formats.gml import write

        return write(self)

    def to_graphml(self) -> str:
        """GraphML.

        Raises:
            GraphSyntax: for names with characters that XML does not have.
        """
        from butfor.graph.formats.graphml import write

        return write(self)

    def to_lavaan(self) -> str:
        """lavaan model syntax: structure only, without order.

        Raises:
            GraphSyntax: for what it cannot hold: nodes without edges, marks, latent nodes without effects, names that R
                does not take.
        """
        from butfor.graph.formats.lavaan import write

        return write(self)

    def to_json(self) -> str:
        """The lists of `to_dict` as JSON text."""
        from butfor.graph.formats.json_text import write

        return write(self)

    def to_dict(self) -> dict[str, Any]:
        """Lists of nodes and edges."""
        from butfor.graph.formats.mapping import write

        return write(self)

    def to_networkx(self) -> Any:
        """A `networkx.DiGraph`; bidirected edges are kept in its `graph["bidirected"]`."""
        from butfor.graph.formats.nx import write

        return write(self)

    def save(self, path: str | Path) -> None:
        """Write the graph to a file in the format that its ending names (.graphml, .json, …), else as arrow text."""
        from butfor.graph.formats import write_as

        Path(path).write_text(write_as(self, Path(path).suffix) + "\n", encoding="utf-8")

    def __str__(self) -> str:
        return self.to_text()

    def _refuse_cycles(self) -> None:
        if len(self.topological_order) == len(self.nodes):
            return
        inside = set(self.nodes) - set(self.topological_order)
        node = next(n for n in self.nodes if n in inside)
        walk: dict[str, int] = {}
        while node not in walk:
            walk[node] = len(walk)
            node = next(p for p in self._parents[node] if p in inside)
        cycle = [*list(walk)[walk[node] :], node][::-1]
        if len(cycle) > MOST_SHOWN:
            cycle = [*cycle[: MOST_SHOWN // 2], f"… ({len(cycle) - MOST_SHOWN} more) …", *cycle[-MOST_SHOWN // 2 :]]
        raise CyclicGraph(
            f"The graph has the cycle {' -> '.join(cycle)}; a causal graph needs causes before effects.",
            hint="remove one of these edges, or split the node by time (sales_monday -> price_tuesday)",
        )


def _pairs(edges: Iterable[Iterable[str]]) -> tuple[Edge, ...]:
    try:
        return tuple(map(_pair, edges))
    except (TypeError, ValueError) as error:
        raise GraphSyntax(
            "An edge is not a pair; a causal graph needs (cause, effect) pairs.", hint='directed=(("x", "y"),)'
        ) from error


def _pair(edge: Iterable[str]) -> Edge:
    if isinstance(edge, str | dict):
        raise TypeError("a text of two letters and a dict of two keys would unpack like a pair")
    a, b = edge
    return str(a), str(b)


def _grouped(nodes: Iterable[str], pairs: Iterable[Edge]) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {n: [] for n in nodes}
    for a, b in pairs:
        found[a].append(b)
    return {n: tuple(others) for n, others in found.items()}


def _closure(step: Mapping[str, tuple[str, ...]], start: Iterator[str]) -> frozenset[str]:
    seen = set(start)
    stack = list(seen)
    while stack:
        for other in step[stack.pop()]:
            if other not in seen:
                seen.add(other)
                stack.append(other)
    return frozenset(seen)
