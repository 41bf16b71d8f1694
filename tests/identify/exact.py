"""Random discrete models with hidden causes, and their exact distributions under any intervention."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from butfor.graph.causal_graph import CausalGraph
from butfor.identify.expression import Factor

HIDDEN_LEVELS = 2


@dataclass(frozen=True)
class ExactModel:
    """Tables P(node | causes, hidden causes) of every node, and P(hidden cause) of every bidirected edge."""

    graph: CausalGraph
    nodes: dict[str, tuple[tuple[str, ...], NDArray[np.float64]]]
    hidden: dict[str, NDArray[np.float64]]

    @classmethod
    def random(cls, graph: CausalGraph, rng: np.random.Generator, levels: int = 2) -> ExactModel:
        """Every probability above .05 or so, so that all conditional probabilities exist."""
        hidden = {f"{a}~{b}": rng.dirichlet(np.full(HIDDEN_LEVELS, 5.0)) for a, b in graph.bidirected}
        nodes = {}
        for n in graph.nodes:
            causes = (*graph.parents(n), *(f"{a}~{b}" for a, b in graph.bidirected if n in (a, b)))
            shape = [HIDDEN_LEVELS if c in hidden else levels for c in causes]
            nodes[n] = (causes, rng.dirichlet(np.full(levels, 1.0), size=shape) * 0.9 + 0.1 / levels)
        return cls(graph, nodes, hidden)

    def table(self, do: Iterable[str] = (), keep: Iterable[str] | None = None) -> Factor:
        """P(kept | do(set)); what is set is an axis as well."""
        fixed = frozenset(do)
        observed = [n for n in self.graph.nodes if n not in self.graph.latent]
        wanted = [n for n in observed if keep is None or n in fixed or n in set(keep)]
        number = {n: i for i, n in enumerate((*self.graph.nodes, *self.hidden))}
        operands: list[object] = []
        for n, (causes, table) in self.nodes.items():
            if n in fixed:
                operands += [np.ones(table.shape[-1]), [number[n]]]
            else:
                operands += [table, [*(number[c] for c in causes), number[n]]]
        for name, weights in self.hidden.items():
            operands += [weights, [number[name]]]
        values = np.einsum(*operands, [number[n] for n in wanted], optimize="greedy")
        return Factor.table(wanted, np.asarray(values))

    def effect(self, treatments: Iterable[str], outcomes: Iterable[str], given: Iterable[str] = ()) -> Factor:
        """P(outcomes | do(treatments), given), axes: treatments, outcomes, given."""
        x, y, z = tuple(treatments), tuple(outcomes), tuple(given)
        joint = self.table(x, (*y, *z)).arranged([n for n in self.graph.nodes if n in {*x, *y, *z}])
        axes = [n for n in self.graph.nodes if n in {*x, *y, *z}]
        values = np.transpose(joint, [axes.index(n) for n in (*x, *y, *z)])
        outcome_axes = tuple(range(len(x), len(x) + len(y)))
        return Factor.table((*x, *y, *z), values / values.sum(axis=outcome_axes, keepdims=True))
