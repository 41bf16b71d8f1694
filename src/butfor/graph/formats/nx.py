"""networkx graphs: `latent=True` or `observed="no"` on nodes, `bidirected=True` on edges."""

from __future__ import annotations

from typing import Any

from butfor.core.errors import GraphSyntax
from butfor.core.extras import require
from butfor.graph.causal_graph import CausalGraph, Edge


def read(source: Any) -> CausalGraph:
    """A graph from a networkx DiGraph or MultiDiGraph."""
    if not source.is_directed():
        raise GraphSyntax(
            "The networkx graph is undirected; a causal graph needs directions.", hint="networkx.DiGraph(edges)"
        )
    directed: list[Edge] = []
    bidirected: list[Edge] = [(str(a), str(b)) for a, b in source.graph.get("bidirected", ())]
    for a, b, data in source.edges(data=True):
        (bidirected if data.get("bidirected") else directed).append((str(a), str(b)))
    nodes = [(str(n), data) for n, data in source.nodes(data=True)]
    if len({n for n, _ in nodes}) < len(nodes):
        raise GraphSyntax(
            "Two networkx nodes are written alike, such as 1 and '1'; a causal graph needs names that differ.",
            hint="networkx.relabel_nodes(graph, names)",
        )
    latent = frozenset(n for n, d in nodes if d.get("latent") or d.get("observed") in ("no", False))
    selected = frozenset(n for n, d in nodes if d.get("selected"))
    return CausalGraph(tuple(n for n, _ in nodes), tuple(directed), tuple(bidirected), latent, selected)


def write(graph: CausalGraph) -> Any:
    """The networkx DiGraph that reads back as the same graph."""
    networkx = require("networkx", extra="networkx", purpose="A networkx graph")
    out = networkx.DiGraph(bidirected=list(graph.bidirected))
    for node in graph.nodes:
        out.add_node(node, latent=node in graph.latent, selected=node in graph.selected)
    out.add_edges_from(graph.directed)
    return out
