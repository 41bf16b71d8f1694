"""Graphs of causal-learn, known by what they can do: the package itself is not needed."""

from __future__ import annotations

from typing import Any

from butfor.core.errors import GraphSyntax
from butfor.graph.causal_graph import CausalGraph
from butfor.graph.formats.arrows import Builder
from butfor.graph.formats.tokens import shown

# How an edge is written, by the names of its ends at the first and at the second node.
MARKS = {("TAIL", "ARROW"): "->", ("ARROW", "TAIL"): "<-", ("ARROW", "ARROW"): "<->"}


def is_graph(source: Any) -> bool:
    """Is this a graph of causal-learn, or the result of a search that holds one?"""
    found = getattr(source, "G", source)
    return all(callable(getattr(found, name, None)) for name in ("get_nodes", "get_graph_edges"))


def read(source: Any) -> CausalGraph:
    """A graph from a GeneralGraph, a Dag, or the result of a search.

    Raises:
        GraphSyntax: for an edge that is neither directed nor bidirected: the result stands for several graphs.
    """
    found = getattr(source, "G", source)
    builder = Builder()
    for node in found.get_nodes():
        builder.nodes.append(str(node.get_name()))
        if node.get_node_type().name == "LATENT":
            builder.marked["latent"].add(builder.nodes[-1])
    for edge in found.get_graph_edges():
        first, second = str(edge.get_node1().get_name()), str(edge.get_node2().get_name())
        mark = MARKS.get((edge.get_endpoint1().name, edge.get_endpoint2().name))
        if mark is None:
            raise GraphSyntax(
                f"The edge between {shown(first)} and {shown(second)} has no single direction, which makes the graph a "
                "MarkedGraph; a causal graph needs ->, <- or <->.",
                hint="butfor.discovery.causal_learn.from_causal_learn(result)",
            )
        builder.connect([first], mark, [second])
    return builder.graph()
