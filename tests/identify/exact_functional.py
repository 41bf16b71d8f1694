"""Random models of functions with hidden causes: counterfactuals, also nested ones, added up over all worlds.

Every node is a function of its parents, of one hidden cause for each of its bidirected edges, and of noise of its own.
Two levels of the noise fix the node whatever its causes are, so that every value has a chance under all conditions; the
others are random functions. A world is one value of every hidden cause and every noise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from butfor.graph.causal_graph import CausalGraph
from butfor.identify.expression import Factor

IntArray = NDArray[np.intp]
FloatArray = NDArray[np.float64]
# The values of some nodes in every world.
Values = dict[str, IntArray]


@dataclass(frozen=True)
class FunctionalModel:
    """Functions and laws of the noise.

    Attributes:
        functions: for each node a table with axes parents, hidden causes, noise.
        laws: for each noise and each hidden cause the probability of its levels.
    """

    graph: CausalGraph
    functions: Mapping[str, IntArray]
    laws: Mapping[str, FloatArray]

    @classmethod
    def random(
        cls, graph: CausalGraph, rng: np.random.Generator, *, noise: int = 3, hidden: int = 2
    ) -> FunctionalModel:
        """Yes-or-no nodes."""
        functions: dict[str, IntArray] = {}
        laws = {_tie(e): rng.dirichlet(np.full(hidden, 5.0)) for e in graph.bidirected}
        for n in graph.nodes:
            ties = [_tie(e) for e in graph.bidirected if n in e]
            shape = (*(2 for _ in graph.parents(n)), *(hidden for _ in ties), noise)
            table = rng.integers(0, 2, shape)
            table[..., 0], table[..., 1] = 0, 1
            functions[n] = table
            laws[_noise(n)] = rng.dirichlet(np.r_[2.0, 2.0, np.full(noise - 2, 8.0 / (noise - 2))])
        return cls(graph, functions, laws)

    @cached_property
    def draws(self) -> Values:
        """Every noise and every hidden cause in every world."""
        grids = np.meshgrid(*(np.arange(len(law)) for law in self.laws.values()), indexing="ij")
        return {name: g.ravel() for name, g in zip(self.laws, grids, strict=True)}

    def weights(self, *, without: str | None = None) -> FloatArray:
        """The probability of every world; without the law of one draw, its density with respect to that law."""
        parts = (law[self.draws[name]] for name, law in self.laws.items() if name != without)
        return np.prod(np.array([np.ones(len(next(iter(self.draws.values())))), *parts]), axis=0)

    def answer(self, node: str, parents: Callable[[str], IntArray]) -> IntArray:
        """The node in every world, when its parents are as told."""
        ties = [_tie(e) for e in self.graph.bidirected if node in e]
        causes = [parents(p) for p in self.graph.parents(node)]
        return self.functions[node][(*causes, *(self.draws[t] for t in ties), self.draws[_noise(node)])]

    def world(self, do: Mapping[str, int | IntArray] | None = None) -> Values:
        """Every node when some are set, to a number or to what they are in another world."""
        found: Values = {}
        worlds = len(next(iter(self.draws.values())))
        for n in self.graph.topological_order:
            forced = (do or {}).get(n)
            found[n] = (
                self.answer(n, found.__getitem__) if forced is None else np.broadcast_to(np.asarray(forced), (worlds,))
            )
        return found

    def along(self, outcome: str, treatment: str, active: Iterable[tuple[str, str]], high: int, low: int) -> IntArray:
        """The outcome when the treatment is high along the active arrows and low along all others, by recursion."""
        edges = frozenset(active)
        baseline = self.world({treatment: low})
        known: Values = {treatment: np.broadcast_to(np.asarray(high), baseline[treatment].shape)}

        def value(node: str) -> IntArray:
            if node not in known:
                known[node] = self.answer(node, lambda p: value(p) if (p, node) in edges else baseline[p])
            return known[node]

        return value(outcome)

    def mean(self, values: IntArray) -> float:
        """The probability of one."""
        return float(self.weights() @ values)

    def observed(self) -> Factor:
        """The distribution of the measured nodes."""
        return Factor.table(self.graph.observed, self.cells(self.weights()))

    def cells(self, weights: FloatArray) -> FloatArray:
        """The weight of each combination of measured values."""
        names = self.graph.observed
        world = self.world()
        index = np.ravel_multi_index([world[n] for n in names], (2,) * len(names))
        return np.bincount(index, weights, 2 ** len(names)).reshape((2,) * len(names))


def _tie(edge: tuple[str, str]) -> str:
    return f"hidden cause of {edge[0]} and {edge[1]}"


def _noise(node: str) -> str:
    return f"noise of {node}"


def data_leave_open(model: FunctionalModel, target: IntArray) -> bool:
    """Can the laws of the noise change so that the data stay as they are and the mean of the target does not?

    To first order: is the gradient of the mean outside of the span of the gradients of the cells and of the constraints
    that laws sum to one? Where it is, the mean is not identified in this model, so not in the larger one either.
    """
    cells: list[FloatArray] = []
    means: list[float] = []
    sums: list[FloatArray] = []
    for number, (name, law) in enumerate(model.laws.items()):
        density = model.weights(without=name)
        for level in range(len(law)):
            weights = density * (model.draws[name] == level)
            cells.append(model.cells(weights).ravel())
            means.append(float(weights @ target))
            sums.append(np.eye(len(model.laws))[number])
    known = np.hstack([np.array(cells), np.array(sums)])
    gradient = np.array(means)
    coefficients = np.linalg.lstsq(known, gradient, rcond=1e-9)[0]
    return bool(np.abs(gradient - known @ coefficients).max() > 1e-6)
