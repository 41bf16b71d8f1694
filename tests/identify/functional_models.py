"""Functional models with hidden causes, small enough that every counterfactual probability is a finite sum.

A unit is a state of all hidden causes and all noises; given the unit every node is a function of its causes, in every
world. So a counterfactual probability is the weight of the units in which its events happen: no theory is involved.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from butfor.graph.causal_graph import CausalGraph
from butfor.graph.districts import districts
from butfor.identify.counterfactual.events import CounterfactualEvent, CounterfactualQuery, Setting
from butfor.identify.expression import Expression, Factor, Variable, evaluate

Source = tuple[str, frozenset[str]]
Array = NDArray[Any]
IntArray = NDArray[np.intp]
FloatArray = NDArray[np.float64]
# The value of every node in every unit.
Values = dict[str, IntArray]


@dataclass(frozen=True)
class FunctionalModel:
    """Units with weights, and for every node its value in each unit for each value of its causes.

    Attributes:
        levels: how many values each node has; value k is the variable with k primes.
        responses: by node, axes: causes in the order of the graph, then units.
        weights: of the units.
        draws: of each hidden cause and each noise, its state in each unit and the probabilities of its states; none
            where they are not independent.
    """

    graph: CausalGraph
    levels: Mapping[str, int]
    responses: Mapping[str, Array]
    weights: FloatArray
    draws: Sequence[tuple[IntArray, FloatArray]] = field(default=())

    @classmethod
    def random(
        cls,
        graph: CausalGraph,
        rng: np.random.Generator,
        levels: Mapping[str, int] | int = 2,
        *,
        functions: int = 1,
        hidden: int = 2,
    ) -> FunctionalModel:
        """A hidden cause for each bidirected edge, and a noise for each node.

        Some states of the noise set the node to one of its values whatever its causes, so that everything has a
        positive probability; in the others it follows one of some random functions of its causes.

        Args:
            levels: of the nodes.
            functions: how many random functions each node has.
            hidden: states of each hidden cause.
        """
        sizes = {n: levels if isinstance(levels, int) else levels[n] for n in graph.nodes}
        ties: dict[Any, int] = dict.fromkeys(graph.bidirected, hidden)
        states = {**ties, **{n: sizes[n] + functions for n in graph.nodes}}
        grid = dict(zip(states, np.indices(tuple(states.values())).reshape(len(states), -1), strict=True))
        laws = {tie: rng.dirichlet(np.full(hidden, 5.0)) for tie in ties} | {
            n: rng.dirichlet(np.r_[np.full(sizes[n], 2.0), np.full(functions, 8.0 / functions)]) for n in graph.nodes
        }
        responses = {}
        for node in graph.nodes:
            causes = tuple(sizes[p] for p in graph.parents(node))
            shared = [pair for pair in ties if node in pair]
            table = rng.integers(sizes[node], size=(*causes, *(hidden for _ in shared), states[node]))
            table[..., : sizes[node]] = np.arange(sizes[node])
            responses[node] = table[(*(slice(None) for _ in causes), *(grid[pair] for pair in shared), grid[node])]
        weights = np.prod([law[grid[name]] for name, law in laws.items()], axis=0)
        return cls(graph, sizes, responses, weights, [(grid[name], law) for name, law in laws.items()])

    # --- worlds --------------------------------------------------------------------------------------------------

    def answer(self, node: str, parents: Callable[[str], IntArray]) -> IntArray:
        """The node in every unit, when its parents are as told."""
        return self.responses[node][(*map(parents, self.graph.parents(node)), np.arange(len(self.weights)))]

    def world(self, do: Mapping[str, int | IntArray] | None = None) -> Values:
        """Every node when some are set, to a number or to what they are in another world."""
        found = {n: np.broadcast_to(np.asarray(v), self.weights.shape) for n, v in (do or {}).items()}
        for node in self.graph.topological_order:
            if node not in found:
                found[node] = self.answer(node, found.__getitem__)
        return found

    def values(self, do: Iterable[Setting] = ()) -> Values:
        """Every node in the world of an event."""
        return self.world({s.name: s.primes if isinstance(s, Variable) else self.values(s.do)[s.name] for s in do})

    def along(self, outcome: str, treatment: str, active: Iterable[tuple[str, str]], high: int, low: int) -> IntArray:
        """The outcome when the treatment is high along the active arrows and low along all others, by recursion."""
        edges = frozenset(active)
        baseline = self.world({treatment: low})
        known: Values = {treatment: np.broadcast_to(np.asarray(high), self.weights.shape)}

        def value(node: str) -> IntArray:
            if node not in known:
                known[node] = self.answer(node, lambda p: value(p) if (p, node) in edges else baseline[p])
            return known[node]

        return value(outcome)

    # --- probabilities -------------------------------------------------------------------------------------------

    def mean(self, values: IntArray) -> float:
        """The mean of a node in some world."""
        return float(self.weights @ values)

    def happens(self, events: Iterable[CounterfactualEvent]) -> Array:
        """Where all events happen: one truth value for each unit."""
        found = np.ones(len(self.weights), dtype=bool)
        for event in events:
            found &= self.values(event.do)[event.name] == event.value.primes
        return found

    def truth(self, query: CounterfactualQuery) -> float:
        """The probability that is asked for; not a number where the condition never happens."""
        both, given = (self.weights[self.happens(e)].sum() for e in (query.events, query.given))
        return float(both / given) if given > 0 else float("nan")

    def cells(self, weights: FloatArray, do: Mapping[str, int] | None = None) -> FloatArray:
        """The weight of each combination of measured values, when some are set."""
        shape = tuple(self.levels[n] for n in self.graph.observed)
        values = self.world(do)
        place = np.ravel_multi_index([values[n] for n in self.graph.observed], shape)
        return np.bincount(place, weights, minlength=int(np.prod(shape))).reshape(shape)

    def table(self, do: Sequence[str] = ()) -> Factor:
        """P(measured | do): what is set is an axis as well."""
        settings = itertools.product(*(range(self.levels[n]) for n in do))
        tables = [self.cells(self.weights, dict(zip(do, setting, strict=True))) for setting in settings]
        return Factor.table(self.graph.observed, np.sum(tables, axis=0))

    def tables(self, *experiments: Sequence[str]) -> dict[Source, Factor]:
        """Observation, and these experiments."""
        return {("", frozenset(do)): self.table(do) for do in ((), *experiments)}

    def value_of(self, expression: Expression, *experiments: Sequence[str]) -> float:
        """The estimand, from the tables alone, at the values that its variables stand for."""
        found = evaluate(expression, self.tables(*experiments))
        place = tuple(v.primes for v in found.variables)
        assert not found.undefined[place]
        return float(found.values[place])


def data_leave_open(model: FunctionalModel, target: IntArray) -> bool:
    """Can the laws of the draws change so that the data stay as they are and the mean of the target does not?

    To first order: is the gradient of the mean outside of the span of the gradients of the cells and of the constraints
    that laws sum to one? Where it is, the mean is not identified in this model, so not in the larger one either.
    """
    cells: list[FloatArray] = []
    means: list[float] = []
    sums: list[FloatArray] = []
    for number, (states, law) in enumerate(model.draws):
        density = model.weights / law[states]
        for level in range(len(law)):
            weights = density * (states == level)
            cells.append(model.cells(weights).ravel())
            means.append(float(weights @ target))
            sums.append(np.eye(len(model.draws))[number])
    known = np.hstack([np.array(cells), np.array(sums)])
    gradient = np.array(means)
    coefficients = np.linalg.lstsq(known, gradient, rcond=1e-9)[0]
    return bool(np.abs(gradient - known @ coefficients).max() > 1e-6)


@dataclass(frozen=True)
class ResponseTypes:
    """All functions of all nodes, where the functions of a district's nodes may depend on each other in any way.

    Attributes:
        model: with one unit for each combination of functions.
        kinds: by district the combination of its nodes' functions, in each unit.
        shares: by district the probability of each combination.
    """

    model: FunctionalModel
    kinds: Mapping[frozenset[str], Array]
    shares: Mapping[frozenset[str], Array]

    @classmethod
    def random(cls, graph: CausalGraph, rng: np.random.Generator, levels: Mapping[str, int]) -> ResponseTypes:
        """Every combination has a positive probability."""
        functions = {
            n: np.array(
                list(itertools.product(range(levels[n]), repeat=int(np.prod([levels[p] for p in graph.parents(n)]))))
            )
            for n in graph.nodes
        }
        chosen = dict(
            zip(graph.nodes, np.indices([len(functions[n]) for n in graph.nodes]).reshape(len(levels), -1), strict=True)
        )
        responses = {
            n: np.moveaxis(functions[n][chosen[n]], 0, -1).reshape(*(levels[p] for p in graph.parents(n)), -1)
            for n in graph.nodes
        }
        kinds, shares = {}, {}
        for district in districts(graph):
            inside = [n for n in graph.nodes if n in district]
            kinds[district] = np.ravel_multi_index([chosen[n] for n in inside], [len(functions[n]) for n in inside])
            shares[district] = rng.dirichlet(np.full(kinds[district].max() + 1, 5.0))
        weights = np.prod([shares[d][kinds[d]] for d in kinds], axis=0)
        return cls(FunctionalModel(graph, levels, responses, weights), kinds, shares)

    def moved(self, district: frozenset[str], shares: Array) -> ResponseTypes:
        """The model with other shares in one district."""
        all_shares = {**self.shares, district: shares}
        weights = np.prod([all_shares[d][self.kinds[d]] for d in self.kinds], axis=0)
        return ResponseTypes(replace(self.model, weights=weights), self.kinds, all_shares)

    def slope(self, district: frozenset[str], happens: Array) -> Array:
        """A probability as a linear function of the shares in one district."""
        rest = np.prod([self.shares[d][self.kinds[d]] for d in self.kinds if d != district], axis=0)
        rest = np.broadcast_to(rest, happens.shape)
        return np.bincount(self.kinds[district], rest * happens, minlength=len(self.shares[district]))
