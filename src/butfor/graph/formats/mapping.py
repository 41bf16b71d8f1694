"""Dicts: lists of nodes and edges, `{"edges": [["a", "b"]]}`, and what networkx calls node-link data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from butfor.core.errors import GraphSyntax, did_you_mean
from butfor.graph.causal_graph import ROLES, CausalGraph
from butfor.graph.formats import nx
from butfor.graph.formats.tokens import shown

KEYS = ("nodes", "directed", "bidirected", *ROLES)


def read(source: Mapping[str, Any]) -> CausalGraph:
    """A graph from a dict.

    Raises:
        GraphSyntax: for keys that no graph has, and for lists of the wrong things.

    >>> read({"edges": [["age", "dose"], ["dose", "pain"]]}).nodes
    ('age', 'dose', 'pain')
    """
    if _is_node_link(source):
        return _node_link(source)
    lists = {key: value for key, value in source.items() if (key, value) != ("type", "CausalGraph")}
    if "edges" in lists and "directed" not in lists:
        lists["directed"] = lists.pop("edges")
        if not (lists["directed"] or lists.get("nodes")):
            raise GraphSyntax("'edges' is empty; a causal graph needs some.", hint='{"edges": [["x", "y"]]}')
    for key in lists:
        if key not in KEYS:
            raise GraphSyntax(
                f"The graph has the key {shown(key)}; a graph dict needs {', '.join(KEYS)}.",
                hint=did_you_mean(str(key), KEYS),
            )
    marked = {marks: frozenset(_names(lists, marks)) for marks in ROLES}
    edges = (lists.get(kind, ()) for kind in ("directed", "bidirected"))
    return CausalGraph(_names(lists, "nodes"), *edges, **marked)


def _is_node_link(source: Mapping[str, Any]) -> bool:
    edges = source.get("edges")
    first = edges[0] if isinstance(edges, list) and edges else None
    return isinstance(source.get("directed"), bool) or "links" in source or isinstance(first, Mapping)


def _node_link(source: Mapping[str, Any]) -> CausalGraph:
    """A graph from the dict that `networkx.node_link_data` writes."""
    try:
        nodes = [(node["id"], node) for node in source["nodes"]]
        links = [(edge["source"], edge["target"], edge) for edge in source.get("links", source.get("edges"))]
        common = tuple(source.get("graph", {}).get("bidirected", ()))
    except (AttributeError, KeyError, TypeError) as error:
        raise GraphSyntax(
            "The node-link data has a node without id or an edge without source and target; every one needs them.",
            hint='{"nodes": [{"id": "x"}, {"id": "y"}], "links": [{"source": "x", "target": "y"}]}',
        ) from error
    return nx.from_attributes(nodes, links, common, directed=source.get("directed", True) is True)


def _names(source: Mapping[str, Any], key: str) -> tuple[str, ...]:
    names = source.get(key, ())
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise GraphSyntax(
            f"{key!r} is {shown(names)}; a graph dict needs a list of names there.", hint=f'"{key}": ["age", "dose"]'
        )
    return tuple(map(str, cast(Iterable[object], names)))


def write(graph: CausalGraph) -> dict[str, Any]:
    """The dict that reads back as the same graph."""
    return {
        "nodes": list(graph.nodes),
        "directed": [list(e) for e in graph.directed],
        "bidirected": [list(e) for e in graph.bidirected],
        **{marks: [n for n in graph.nodes if n in getattr(graph, marks)] for marks in ROLES},
    }
