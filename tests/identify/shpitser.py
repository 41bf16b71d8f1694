"""The recursive ID and IDC algorithms on tables of numbers, written from the paper, independently of the package.

Shpitser and Pearl 2006, Identification of joint interventional distributions in recursive semi-Markovian causal models
(AAAI-06, figure 3: lines 1 to 7), and Identification of conditional interventional distributions (arXiv:1206.6876).
A table has one axis per node, of length one where it does not depend on the node.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

import butfor as bf
from butfor.identify.expression import Factor, Variable
from tests.identify.explicit import explicit_dag, without_edges_out_of

Nodes = frozenset[str]
Table = NDArray[np.float64]


class HedgeFound(Exception):
    """Line 5: the district and what is left of it."""


@dataclass(frozen=True)
class Recursion:
    """One graph without latent nodes, and the observed distribution with axes in the order of its nodes."""

    graph: bf.CausalGraph
    observed: Table

    @cached_property
    def order(self) -> list[str]:
        return list(nx.lexicographical_topological_sort(self.arrows))

    @cached_property
    def arrows(self) -> nx.DiGraph[Any]:
        dag: nx.DiGraph[Any] = nx.DiGraph(self.graph.directed)
        dag.add_nodes_from(self.graph.nodes)
        return dag

    @cached_property
    def ties(self) -> nx.Graph[Any]:
        found: nx.Graph[Any] = nx.Graph(self.graph.bidirected)
        found.add_nodes_from(self.graph.nodes)
        return found

    def effect(self, treatments: list[str], outcomes: list[str], given: list[str]) -> Factor:
        """P(outcomes | do(treatments), given). Raises HedgeFound."""
        x, y, z = frozenset(treatments), frozenset(outcomes), frozenset(given)
        found = self._conditional(y, x, z)
        kept = [i for i, size in enumerate(found.shape) if size > 1]
        names = [Variable(self.graph.nodes[i]) for i in kept]
        values = found.reshape([found.shape[i] for i in kept])
        return Factor(tuple(names), values, np.zeros(values.shape, dtype=bool))

    def _conditional(self, y: Nodes, x: Nodes, z: Nodes) -> Table:
        for node in sorted(z):
            cut = explicit_dag(self.graph)
            cut.remove_edges_from(list(cut.in_edges(list(x))))
            if nx.is_d_separator(without_edges_out_of(cut, [node]), set(y), {node}, set(x | z - {node})):
                return self._conditional(y, x | {node}, z - {node})
        joint = self._effect(y | z, x, self.observed, frozenset(self.graph.nodes))
        return joint / self._sum(joint, y) if z else joint

    def _effect(self, y: Nodes, x: Nodes, table: Table, v: Nodes) -> Table:
        dag = self.arrows.subgraph(v).copy()
        if not x:  # line 1
            return self._sum(table, v - y)
        ancestors = _ancestors(dag, y)
        if ancestors != v:  # line 2
            return self._effect(y, x & ancestors, self._sum(table, v - ancestors), ancestors)
        dag.remove_edges_from(list(dag.in_edges(list(x))))
        idle = v - x - _ancestors(dag, y)
        if idle:  # line 3
            return self._effect(y, x | idle, table, v)
        parts = self._districts(v - x)
        if len(parts) > 1:  # line 4
            product = np.ones([1] * table.ndim)
            for part in parts:
                product = product * self._effect(part, v - part, table, v)
            return self._sum(product, v - y - x)
        (part,) = parts
        districts = self._districts(v)
        if districts == [v]:  # line 5
            raise HedgeFound(v, part)
        if part in districts:  # line 6
            return self._sum(self._product(part, table, v), part - y)
        (around,) = [d for d in districts if part < d]  # line 7
        return self._effect(y, x & around, self._product(around, table, v), around)

    def _product(self, part: Nodes, table: Table, v: Nodes) -> Table:
        """Π P(node | everything before it)."""
        found = np.ones([1] * table.ndim)
        for node in part:
            after = frozenset(n for n in self.order[self.order.index(node) + 1 :] if n in v)
            above = self._sum(table, after)
            found = found * above / self._sum(above, frozenset({node}))
        return found

    def _districts(self, v: Nodes) -> list[Nodes]:
        return [frozenset(c) for c in nx.connected_components(self.ties.subgraph(v))]

    def _sum(self, table: Table, over: Nodes) -> Table:
        axes = tuple(i for i, n in enumerate(self.graph.nodes) if n in over)
        return np.asarray(table.sum(axis=axes, keepdims=True))


def _ancestors(dag: nx.DiGraph[Any], nodes: Nodes) -> Nodes:
    return nodes.union(*(nx.ancestors(dag, n) for n in nodes))
