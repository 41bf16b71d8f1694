"""Functional models with hidden causes, small enough that every counterfactual probability is a finite sum.

A unit is a state of all hidden causes and all noises; given the unit every node is a function of its causes, in every
world. So a counterfactual probability is the weight of the units in which its events happen: no theory is involved.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from butfor.graph.causal_graph import CausalGraph
from butfor.graph.districts import districts
from butfor.identify.counterfactual.events import CounterfactualEvent, CounterfactualQuery, Setting
from butfor.identify.expression import Expression, Factor, Variable, evaluate

Source = tuple[str, frozenset[str]]
Array = NDArray[Any]


@dataclass(frozen=True)
class FunctionalModel:
    """Units with weights, and for every node its value in each unit for each value of its causes.

    Attributes:
        levels: how many values each node has; value k is the variable with k primes.
        responses: by node, axes: causes in the order of the graph, then units.
        weights: of the units.
    """

    graph: CausalGraph
    levels: Mapping[str, int]
    responses: Mapping[str, Array]
    weights: Array

    def values(self, do: Iterable[Setting] = ()) -> dict[str, Array]:
        """The value of every node in every unit, in one world."""
        units = np.arange(len(self.weights))
        found: dict[str, Array] = {}
        for setting in do:
            if isinstance(setting, Variable):
                found[setting.name] = np.full(len(units), setting.primes)
            else:
                found[setting.name] = self.values(setting.do)[setting.name]
        for node in self.graph.topological_order:
            if node not in found:
                found[node] = self.responses[node][(*(found[p] for p in self.graph.parents(node)), units)]
        return found

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

    def table(self, do: Sequence[str] = ()) -> Factor:
        """P(measured | do): what is set is an axis as well."""
        nodes = self.graph.observed
        shape = tuple(self.levels[n] for n in nodes)
        table = np.zeros(shape)
        for setting in itertools.product(*(range(self.levels[n]) for n in do)):
            values = self.values(map(Variable, do, setting))
            place = np.ravel_multi_index([values[n] for n in nodes], shape)
            table += np.bincount(place, self.weights, minlength=table.size).reshape(shape)
        return Factor.table(nodes, table)

    def tables(self, *experiments: Sequence[str]) -> dict[Source, Factor]:
        """Observation, and these experiments."""
        return {("", frozenset(do)): self.table(do) for do in ((), *experiments)}

    def value_of(self, expression: Expression, *experiments: Sequence[str]) -> float:
        """The estimand, from the tables alone, at the values that its variables stand for."""
        found = evaluate(expression, self.tables(*experiments))
        place = tuple(v.primes for v in found.variables)
        assert not found.undefined[place]
        return float(found.values[place])


def random_model(
    graph: CausalGraph, rng: np.random.Generator, levels: Mapping[str, int] | int = 2, functions: int = 1
) -> FunctionalModel:
    """A hidden cause with two states for each bidirected edge, and a noise for each node.

    Some states of the noise set the node to one of its values whatever its causes, so that everything has a positive
    probability; in the others it follows one of some random functions of its causes.
    """
    sizes = {n: levels if isinstance(levels, int) else levels[n] for n in graph.nodes}
    hidden: dict[Any, int] = dict.fromkeys(graph.bidirected, 2)
    states = {**hidden, **{n: sizes[n] + functions for n in graph.nodes}}
    grid = dict(zip(states, np.indices(tuple(states.values())).reshape(len(states), -1), strict=True))
    weights = np.ones(len(grid[graph.nodes[0]]))
    for name, size in states.items():
        weights = weights * rng.dirichlet(np.full(size, 2.0))[grid[name]]
    responses = {}
    for node in graph.nodes:
        causes = tuple(sizes[p] for p in graph.parents(node))
        shared = [grid[pair] for pair in graph.bidirected if node in pair]
        table = rng.integers(sizes[node], size=(*causes, *(2 for _ in shared), sizes[node] + functions))
        table[..., : sizes[node]] = np.arange(sizes[node])
        responses[node] = table[(*(slice(None) for _ in causes), *shared, grid[node])]
    return FunctionalModel(graph, sizes, responses, weights)


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
