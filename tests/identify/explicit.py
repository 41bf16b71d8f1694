"""Graphs with every hidden cause as a node of its own, for networkx, and all sets of some nodes."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import networkx as nx

import butfor as bf


def explicit_dag(graph: bf.CausalGraph) -> nx.DiGraph[Any]:
    """The graph in which a bidirected edge is a cause of both."""
    dag: nx.DiGraph[Any] = nx.DiGraph(graph.directed)
    dag.add_nodes_from(graph.nodes)
    for k, (a, b) in enumerate(graph.bidirected):
        dag.add_edges_from([(("hidden", k), a), (("hidden", k), b)])
    return dag


def without_edges_out_of(dag: nx.DiGraph[Any], nodes: Iterable[str]) -> nx.DiGraph[Any]:
    """The graph in which the nodes cause nothing."""
    cut = dag.copy()
    cut.remove_edges_from(list(dag.out_edges(list(nodes))))
    return cut


def subsets(pool: Iterable[str]) -> list[frozenset[str]]:
    """All sets of the nodes, small ones first."""
    names = sorted(pool)
    return [frozenset(s) for k in range(len(names) + 1) for s in itertools.combinations(names, k)]


def smallest(sets: list[frozenset[str]]) -> set[frozenset[str]]:
    """The sets that hold no other."""
    return {s for s in sets if not any(other < s for other in sets)}
