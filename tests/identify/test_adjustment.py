"""Adjustment sets: published cases, brute force by the definition, and the effect itself on linear models."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings

import butfor as bf
from butfor.identify.adjustment import (
    AdjustmentProblem,
    is_adjustment_set,
    minimal_adjustment_sets,
    optimal_adjustment_set,
)
from tests.graph.strategies import graphs

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "data" / "adjustment_cases.json").read_text("utf-8"))


def problem(text: str) -> AdjustmentProblem:
    return AdjustmentProblem.of(bf.CausalGraph.from_any(text), {"x"}, {"y"})


def minimal(text: str, **choices: Any) -> set[tuple[str, ...]]:
    return set(minimal_adjustment_sets(problem(text), **choices))


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["name"])
def test_published_graphs(case: dict[str, Any]) -> None:
    edges = [tuple(map(tuple, case[kind])) for kind in ("directed", "bidirected")]
    graph = bf.CausalGraph(tuple(case["nodes"]), *edges)
    task = AdjustmentProblem.of(graph, case["treatments"], case["outcomes"])
    found = {frozenset(s) for s in minimal_adjustment_sets(task)}
    assert found == {frozenset(s) for s in case["min_adjustment_sets"]}
    assert all(task.is_valid(s) for s in found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("u1 [latent]; u2 [latent]; u1 -> x; u1 -> m; u2 -> m; u2 -> y; x -> y", {()}),  # M-bias: nothing
        ("a -> x; a -> m; b -> m; b -> y; m -> x; m -> y; x -> y", {("a", "m"), ("m", "b")}),  # butterfly
        ("u [latent]; u -> x; u -> y; x -> y", set()),
        ("x -> m -> y; x <-> y", set()),  # front door: not by adjustment
    ],
)
def test_famous_graphs(text: str, expected: set[tuple[str, ...]]) -> None:
    assert {frozenset(s) for s in minimal(text)} == {frozenset(s) for s in expected}


def test_forced_and_forbidden_nodes() -> None:
    """dagitty's M-bias graph with M forced (its test suite): {M, U1} and {M, U2}."""
    text = "U1 -> x; U1 -> M; U2 -> M; U2 -> y; x -> y"
    assert {frozenset(s) for s in minimal(text, must_include=["M"])} == {
        frozenset("M") | {"U1"},
        frozenset("M") | {"U2"},
    }
    assert minimal("z -> w -> y; z -> x; x -> y", never=["w"]) == {("z",)}
    assert minimal("x -> m -> y", must_include=["m"]) == set()


def test_the_optimal_set() -> None:
    assert optimal_adjustment_set(problem("z -> w -> y; z -> x; x -> y; p -> y")) == ("w", "p")
    assert optimal_adjustment_set(problem("z -> x -> y")) == ()
    assert optimal_adjustment_set(problem("u [latent]; u -> y; z -> x; z -> y; x -> y")) is None


@given(graphs(nodes=6, latent=True))
@settings(max_examples=200, deadline=None)
def test_all_minimal_sets_and_no_others(graph: bf.CausalGraph) -> None:
    """The definition: sets without forbidden nodes that separate in the proper back-door graph, and no subset does."""
    x, y = graph.nodes[0], graph.nodes[-1]
    task = AdjustmentProblem.of(graph.replaced(latent=graph.latent - {x, y}), {x}, {y})
    pool = sorted(task.candidates)
    valid = [set(s) for k in range(len(pool) + 1) for s in itertools.combinations(pool, k) if task.is_valid(s)]
    smallest = {frozenset(s) for s in valid if not any(other < s for other in valid)}
    found = [frozenset(s) for s in minimal_adjustment_sets(task)]
    assert len(found) == len(set(found))
    assert set(found) == smallest
    assert task.is_valid(task.canonical) == bool(valid)


def _linear_effect(graph: bf.CausalGraph, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Covariance of a random linear Gaussian model and the total effect of the first node on the last."""
    n = len(graph.nodes)
    index = {v: i for i, v in enumerate(graph.nodes)}
    slopes = np.zeros((n, n))
    for a, b in graph.directed:
        slopes[index[b], index[a]] = rng.uniform(0.5, 1.5) * rng.choice([-1, 1])
    noise = np.diag(rng.uniform(0.5, 1.5, n))
    for a, b in graph.bidirected:
        load = np.zeros((n, 1))
        load[index[a]], load[index[b]] = rng.uniform(0.5, 1.5, 2)
        noise += load @ load.T
    total = np.linalg.inv(np.eye(n) - slopes)
    return total @ noise @ total.T, float(total[n - 1, 0])


@given(graphs(nodes=6))
@settings(max_examples=100, deadline=None)
def test_adjusting_gives_the_effect_on_linear_models(graph: bf.CausalGraph) -> None:
    x, y = graph.nodes[0], graph.nodes[-1]
    task = AdjustmentProblem.of(graph, {x}, {y})
    sets = list(minimal_adjustment_sets(task))
    optimal = optimal_adjustment_set(task)
    sets += [] if optimal is None else [optimal]
    assume(sets)
    covariance, effect = _linear_effect(graph, np.random.default_rng(len(graph.directed)))
    for names in sets:
        columns = [0, *(graph.nodes.index(n) for n in names)]
        coefficients = np.linalg.solve(covariance[np.ix_(columns, columns)], covariance[columns, -1])
        assert coefficients[0] == pytest.approx(effect, abs=1e-8)
        assert is_adjustment_set(graph, x, y, names)
