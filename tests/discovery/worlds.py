"""Data whose sample says just what the model says: independent is exactly independent, dependent is clearly so.

A search that is right must find the class of the model in them, whatever its tests or scores do in small samples.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

import butfor as bf

Array = NDArray[np.float64]
N = 20_000
# 3.5 standard errors of a partial correlation in 20,000 rows.
CLEAR = 0.025


def statements(graph: bf.CausalGraph) -> Iterator[tuple[str, str, tuple[str, ...], bool]]:
    """Every pair, every set of others, and whether the graph separates the pair by the set."""
    for a, b in itertools.combinations(graph.nodes, 2):
        others = [n for n in graph.nodes if n not in (a, b)]
        for k in range(len(others) + 1):
            for given in itertools.combinations(others, k):
                yield a, b, given, graph.is_separated({a}, {b}, set(given))


def linear(graph: bf.CausalGraph, rng: np.random.Generator) -> dict[str, Array] | None:
    """20,000 rows whose covariance is that of a linear model of the graph; None when a dependence is too faint."""
    at = {n: i for i, n in enumerate(graph.nodes)}
    p = len(at)
    weights = np.zeros((p, p))
    noise = np.diag(rng.uniform(0.5, 1.0, p))
    for a, b in graph.directed:
        weights[at[b], at[a]] = rng.uniform(0.5, 1.2) * rng.choice([-1, 1])
    for a, b in graph.bidirected:
        loading = np.zeros(p)
        loading[[at[a], at[b]]] = rng.uniform(0.5, 1.2, 2)
        noise += np.outer(loading, loading)
    solved = np.linalg.inv(np.eye(p) - weights)
    covariance = solved @ noise @ solved.T
    for a, b, given, separated in statements(graph):
        inverse = np.linalg.inv(covariance[np.ix_(*[[at[n] for n in (a, b, *given)]] * 2)])
        partial = abs(inverse[0, 1]) / np.sqrt(inverse[0, 0] * inverse[1, 1])
        assert not separated or partial < 1e-10
        if not separated and partial < CLEAR:
            return None
    draws = rng.normal(size=(N, p))
    draws -= draws.mean(axis=0)
    white = draws @ np.linalg.inv(np.linalg.cholesky(draws.T @ draws / N)).T
    data = white @ np.linalg.cholesky(covariance).T
    return {n: data[:, i] for n, i in at.items()}


def tables(graph: bf.CausalGraph, rng: np.random.Generator) -> dict[str, Array]:
    """Rows of binary columns, as many of each combination as its probability says: all are multiples of 1/8."""
    at = {n: i for i, n in enumerate(graph.nodes)}
    cells = np.array(list(itertools.product((0, 1), repeat=len(at))))
    counts = np.ones(len(cells), dtype=np.int64)
    for node in graph.nodes:
        causes = [at[c] for c in graph.parents(node)]
        chance = rng.choice(np.arange(1, 8), size=2 ** len(causes), replace=len(causes) > 2)
        ones = chance[cells[:, causes] @ (2 ** np.arange(len(causes)))] if causes else np.full(len(cells), chance[0])
        counts *= np.where(cells[:, at[node]] == 1, ones, 8 - ones)
    rows = np.repeat(cells, counts, axis=0).astype(np.float64)
    return {n: rows[:, i] for n, i in at.items()}
