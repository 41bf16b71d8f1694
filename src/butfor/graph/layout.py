"""Coordinates for drawing: causes to the left of effects."""

from __future__ import annotations

from butfor.graph.causal_graph import CausalGraph

SWEEPS = 8


def layered_layout(graph: CausalGraph) -> dict[str, tuple[float, float]]:
    """(column, row) of each node: columns by the longest path of causes, rows so that edges cross little.

    Causes are drawn close to their first effect; the rows of a column are centred around zero.
    """
    column: dict[str, int] = {}
    for node in graph.topological_order:
        column[node] = 1 + max((column[p] for p in graph.parents(node)), default=-1)
    for node in reversed(graph.topological_order):
        children = graph.children(node)
        if children:
            column[node] = max(column[node], min(column[c] for c in children) - 1)
    layers: dict[int, list[str]] = {}
    for node in graph.topological_order:
        layers.setdefault(column[node], []).append(node)
    for sweep in range(SWEEPS):
        keys = sorted(layers, reverse=bool(sweep % 2))
        for key in keys:
            row = _rows(layers)
            layers[key] = sorted(layers[key], key=lambda n, row=row: (_pull(graph, n, row), row[n]))
    row = _rows(layers)
    return {node: (float(column[node]), row[node]) for node in graph.nodes}


def _rows(layers: dict[int, list[str]]) -> dict[str, float]:
    return {n: i - (len(layer) - 1) / 2 for layer in layers.values() for i, n in enumerate(layer)}


def _pull(graph: CausalGraph, node: str, row: dict[str, float]) -> float:
    others = (*graph.parents(node), *graph.children(node), *graph.spouses(node))
    return sum(row[o] for o in others) / len(others) if others else row[node]
