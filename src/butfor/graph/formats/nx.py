"""networkx graphs: `latent=True` or `observed="no"` on nodes, `bidirected=True` on edges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from butfor.core.errors import GraphSyntax
from butfor.core.extras import require
from butfor.graph.causal_graph import ROLES, CausalGraph, Edge
from butfor.graph.formats import roles

Attributes = Mapping[str, Any]


def read(source: Any) -> CausalGraph:
    """A graph from a networkx DiGraph or MultiDiGraph."""
    common = source.graph.get("bidirected", ())
    return from_attributes(source.nodes(data=True), source.edges(data=True), common, directed=source.is_directed())


def from_attributes(
    nodes: Iterable[tuple[object, Attributes]],
    edges: Iterable[tuple[object, object, Attributes]],
    common: Iterable[Edge] = (),
    *,
    directed: bool,
) -> CausalGraph:
    """A graph from nodes and edges with attributes.

    Args:
        common: pairs with an unmeasured common cause, beside the edges marked `bidirected` or `kind="bidirected"`.
        directed: whether the source says that its edges have a direction.

    Raises:
        GraphSyntax: for a graph without directions, and for two nodes whose names are written alike.
    """
    if not directed:
        raise GraphSyntax("The graph is undirected; a causal graph needs directions.", hint="networkx.DiGraph(edges)")
    named = [(str(n), data) for n, data in nodes]
    if len(dict(named)) < len(named):
        raise GraphSyntax(
            "Two nodes are written alike, such as 1 and '1'; a causal graph needs names that differ.",
            hint="networkx.relabel_nodes(graph, names)",
        )
    found: dict[bool, list[Edge]] = {False: [], True: list(common)}
    for a, b, data in edges:
        found[is_bidirected(data)].append((str(a), str(b)))
    marked = roles.from_attributes(named)
    return CausalGraph(tuple(n for n, _ in named), tuple(found[False]), tuple(found[True]), **marked)


def is_bidirected(attributes: Attributes) -> bool:
    """Do the attributes of an edge say that it is a common cause?"""
    return roles.is_yes(attributes.get("bidirected")) or attributes.get("kind") == "bidirected"


def write(graph: CausalGraph) -> Any:
    """The networkx DiGraph that reads back as the same graph."""
    networkx = require("networkx", extra="networkx", purpose="A networkx graph")
    out = networkx.DiGraph(bidirected=list(graph.bidirected))
    for node in graph.nodes:
        out.add_node(node, **{role: node in getattr(graph, marks) for marks, role in ROLES.items()})
    out.add_edges_from(graph.directed)
    return out
