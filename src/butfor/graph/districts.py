"""Districts (nodes tied by hidden causes), what precedes a node, and the graph after hidden nodes are left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from math import comb

from butfor.core.errors import GraphSyntax
from butfor.graph.causal_graph import CausalGraph

Nodes = frozenset[str]
# Pairs of measured nodes with a hidden common cause: more do not fit into memory.
MOST_TIES = 500_000


def district_of(graph: CausalGraph, node: str, within: Nodes) -> Nodes:
    """The nodes that a chain of bidirected edges inside `within` ties to the node."""
    found = {node}
    stack = [node]
    while stack:
        for other in graph.spouses(stack.pop()):
            if other in within and other not in found:
                found.add(other)
                stack.append(other)
    return frozenset(found)


def near_district(graph: CausalGraph, node: str) -> Nodes:
    """The nodes without an edge to a node that hidden causes may tie to it all the same, so that nothing parts the two.

    An inducing path runs through one district, which only its ends may leave: these are the other nodes of the
    district, and what acts on it.

    Args:
        graph: a graph without latent nodes, in which no rows are selected on what the node acts on.
        node: one end of the path, inside the district.

    >>> sorted(near_district(CausalGraph.from_any("z -> x -> y; x <-> y"), "y"))
    ['z']
    """
    tied = district_of(graph, node, frozenset(graph.nodes))
    joined = {node, *graph.parents(node), *graph.children(node), *graph.spouses(node)}
    return tied.union(*map(graph.parents, tied)) - joined


def districts(graph: CausalGraph, within: Iterable[str] | None = None) -> Iterator[Nodes]:
    """The districts of the graph, or of the subgraph over some of its nodes, in the order of the graph.

    >>> [sorted(d) for d in districts(CausalGraph.from_any("x -> m -> y; x <-> y"))]
    [['x', 'y'], ['m']]
    """
    inside = frozenset(graph.nodes if within is None else within)
    seen: set[str] = set()
    for node in graph.nodes if within is None else sorted(inside, key=graph.position.__getitem__):
        if node not in seen:
            found = district_of(graph, node, inside)
            seen |= found
            yield found


def ancestors_within(graph: CausalGraph, nodes: Iterable[str], within: Nodes) -> Nodes:
    """The nodes, and what causes them along paths inside `within`."""
    found = set(nodes)
    stack = list(found)
    while stack:
        for parent in graph.parents(stack.pop()):
            if parent in within and parent not in found:
                found.add(parent)
                stack.append(parent)
    return frozenset(found)


def markov_pillows(graph: CausalGraph, within: Nodes, order: Sequence[str]) -> Iterator[tuple[str, Nodes]]:
    """What each node depends on among the nodes before it: its district up to itself, and the causes of that district.

    Args:
        graph: a graph without latent nodes.
        within: an ancestral set of nodes.
        order: all nodes, causes before effects.
    """
    # Districts grow as nodes come in: each is held once, with its causes, by all its members.
    known: dict[str, tuple[set[str], set[str]]] = {}
    for node in (n for n in order if n in within):
        known[node] = {node}, {node, *graph.parents(node)}
        for other in graph.spouses(node):
            if other in known and known[other] is not known[node]:
                (few, theirs), larger = sorted((known[node], known[other]), key=lambda d: len(d[0]))
                larger[0].update(few)
                larger[1].update(theirs)
                known.update(dict.fromkeys(few, larger))
        yield node, frozenset(known[node][1]) - {node}


def markov_blanket(graph: CausalGraph, node: str) -> Nodes:
    """The smallest set given which the node is independent of all other measured nodes.

    >>> sorted(markov_blanket(CausalGraph.from_any("a -> x -> y; b -> y"), "x"))
    ['a', 'b', 'y']
    """
    projected = latent_projection(graph)
    tied = district_of(projected, node, frozenset(projected.nodes))
    for child in projected.children(node):
        tied |= district_of(projected, child, frozenset(projected.nodes))
    return (tied | {p for n in tied for p in projected.parents(n)}) - {node}


def moral_graph(graph: CausalGraph, nodes: Iterable[str] | None = None) -> dict[str, set[str]]:
    """Undirected neighbours: adjacent nodes, and nodes joined by a path of colliders (districts and their parents)."""
    inside = frozenset(graph.nodes if nodes is None else nodes)
    out: dict[str, set[str]] = {n: set() for n in inside}
    for district in districts(graph, inside):
        members = district | {p for n in district for p in graph.parents(n) if p in inside}
        for a in members:
            out[a] |= members - {a}
    return out


def latent_projection(graph: CausalGraph) -> CausalGraph:
    """The graph over measured nodes with the same implications for them: hidden nodes become edges.

    A directed path through hidden nodes becomes an arrow, a hidden common cause a bidirected edge (Verma 1993). Nodes
    that selected the rows stay: their value is known of every row.

    >>> seen = latent_projection(CausalGraph.from_any("u -> x; u -> y; x -> m -> y").with_latent(["u", "m"]))
    >>> seen.directed, seen.bidirected
    ((('x', 'y'),), (('x', 'y'),))
    """
    hidden = graph.latent - graph.selected
    if not hidden:
        return replace(graph, latent=hidden) if graph.latent else graph
    reach = _reach(graph, hidden)
    seen = [n for n in graph.nodes if n not in hidden]
    directed = tuple((a, b) for a in seen for c in graph.children(a) for b in (reach[c] if c in hidden else (c,)))
    # What a hidden node ties together, its hidden cause ties as well.
    first = [n for n in reach if hidden.isdisjoint(graph.parents(n))]
    _refuse_too_many(sum(comb(len(reach[n]), 2) for n in first))
    tied = {frozenset(pair): None for n in first for pair in combinations(reach[n], 2)}
    for a, b in graph.bidirected:
        for left in reach.get(a, (a,)):
            tied |= {frozenset((left, right)): None for right in reach.get(b, (b,)) if right != left}
    bidirected = sorted(tuple(sorted(pair, key=graph.position.__getitem__)) for pair in tied)
    return CausalGraph(
        tuple(seen), tuple(dict.fromkeys(directed)), tuple((a, b) for a, b in bidirected), frozenset(), graph.selected
    )


def _reach(graph: CausalGraph, hidden: Nodes) -> dict[str, dict[str, None]]:
    """The measured nodes that each hidden node acts on through hidden nodes only."""
    reach: dict[str, dict[str, None]] = {}
    size = 0
    for node in reversed(graph.topological_order):
        if node in hidden:
            reach[node] = {}
            for child in graph.children(node):
                reach[node] |= reach[child] if child in hidden else {child: None}
            size += len(reach[node])
            _refuse_too_many(size)
    return reach


def _refuse_too_many(ties: int) -> None:
    if ties > MOST_TIES:
        raise GraphSyntax(
            f"Hidden nodes tie more than {MOST_TIES:,} pairs of measured nodes together; identification needs fewer.",
            hint="leave out hidden nodes that act on nearly everything, or what they act on that does not matter",
        )
