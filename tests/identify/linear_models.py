"""Random linear models: exact covariances and the truth about their effects."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from butfor.graph.causal_graph import CausalGraph, Edge


@dataclass(frozen=True, eq=False)
class LinearModel:
    """Coefficients of the arrows and covariances of the errors."""

    graph: CausalGraph
    coefficients: dict[Edge, float]
    errors: NDArray[np.float64]

    @classmethod
    def random(cls, graph: CausalGraph, rng: np.random.Generator) -> LinearModel:
        """Coefficients away from 0, errors with a positive definite covariance matrix (diagonally dominant)."""
        place = {n: i for i, n in enumerate(graph.nodes)}
        coefficients = {e: rng.uniform(0.4, 1.2) * rng.choice([-1, 1]) for e in graph.directed}
        errors = np.zeros((len(place), len(place)))
        for a, b in graph.bidirected:
            errors[place[a], place[b]] = errors[place[b], place[a]] = rng.uniform(0.3, 0.9) * rng.choice([-1, 1])
        errors += np.diag(np.abs(errors).sum(axis=1) + rng.uniform(0.5, 1.5, len(place)))
        return cls(graph, coefficients, errors)

    @cached_property
    def covariance(self) -> NDArray[np.float64]:
        """(I − B)⁻¹ Ω (I − B)⁻ᵀ over the measured nodes."""
        names = self.graph.nodes
        weights = np.array([[self.coefficients.get((a, b), 0.0) for a in names] for b in names])
        spread = np.linalg.inv(np.eye(len(names)) - weights)
        seen = [i for i, n in enumerate(names) if n not in self.graph.latent]
        return (spread @ self.errors @ spread.T)[np.ix_(seen, seen)]

    def total(self, cause: str, effect: str) -> float:
        """The sum over directed paths of the products of their coefficients."""
        if cause == effect:
            return 1.0
        return sum(self.coefficients[p, effect] * self.total(cause, p) for p in self.graph.parents(effect))

    def direct(self, cause: str, effect: str) -> float:
        """The same over paths through hidden nodes only."""
        through = [p for p in self.graph.parents(effect) if p == cause or p in self.graph.latent]
        return sum(self.coefficients[p, effect] * (1.0 if p == cause else self.direct(cause, p)) for p in through)
