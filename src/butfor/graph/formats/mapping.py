"""A dict of lists: nodes, directed, bidirected, latent, selected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from butfor.core.errors import GraphSyntax, did_you_mean
from butfor.graph.causal_graph import CausalGraph

KEYS = ("nodes", "directed", "bidirected", "latent", "selected")


def read(source: Mapping[str, Any]) -> CausalGraph:
    """A graph from a dict."""
    for key in source:
        if key not in KEYS:
            raise GraphSyntax(
                f"The graph has the key {key!r}; a graph dict needs {', '.join(KEYS)}.",
                hint=did_you_mean(str(key), KEYS),
            )
    try:
        pairs = {key: tuple((str(a), str(b)) for a, b in source.get(key, ())) for key in ("directed", "bidirected")}
    except (TypeError, ValueError) as error:
        raise GraphSyntax(
            "An edge is not a pair; a graph dict needs (cause, effect) pairs.", hint='"directed": [["x", "y"]]'
        ) from error
    nodes, latent, selected = (_names(source, key) for key in ("nodes", "latent", "selected"))
    return CausalGraph(nodes, pairs["directed"], pairs["bidirected"], frozenset(latent), frozenset(selected))


def _names(source: Mapping[str, Any], key: str) -> tuple[str, ...]:
    names = source.get(key, ())
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise GraphSyntax(
            f"{key!r} is {names!r}; a graph dict needs a list of names there.", hint=f'"{key}": ["age", "dose"]'
        )
    return tuple(map(str, cast(Iterable[object], names)))


def write(graph: CausalGraph) -> dict[str, Any]:
    """The dict that reads back as the same graph."""
    return {
        "nodes": list(graph.nodes),
        "directed": [list(e) for e in graph.directed],
        "bidirected": [list(e) for e in graph.bidirected],
        "latent": [n for n in graph.nodes if n in graph.latent],
        "selected": [n for n in graph.nodes if n in graph.selected],
    }
