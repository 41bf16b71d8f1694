"""Adjustment sets: published cases, brute force by the definition, and the effect itself on linear models."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import butfor as bf
from butfor.identify.adjustment import (
    AdjustmentProblem,
    is_adjustment_set,
    minimal_adjustment_sets,
    optimal_adjustment_set,
)
from tests.graph.strategies import graphs

DATA = Path(__file__).parent / "data"
CASES, SPECIAL, OPTIMAL = (
    json.loads((DATA / f"{name}.json").read_text("utf-8"))
    for name in ("adjustment_cases", "forced_and_selected_cases", "optimal_cases")
)


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


@pytest.mark.parametrize("case", SPECIAL, ids=lambda c: c["name"])
def test_published_graphs_with_forced_or_selected_nodes(case: dict[str, Any]) -> None:
    edges = [tuple(map(tuple, case[kind])) for kind in ("directed", "bidirected")]
    graph = bf.CausalGraph((), *edges, selected=frozenset(case["selected"]))
    task = AdjustmentProblem.of(graph, case["treatments"], case["outcomes"])
    if "adjust" in case:
        assert task.is_valid(case["adjust"]) is case["expected"]
    else:
        found = {frozenset(s) for s in minimal_adjustment_sets(task, must_include=case["must_include"])}
        assert found == {frozenset(s) for s in case["expected"]}


@pytest.mark.parametrize("case", OPTIMAL, ids=lambda c: c["name"])
def test_published_optimal_sets(case: dict[str, Any]) -> None:
    edges = [tuple(map(tuple, case[kind])) for kind in ("directed", "bidirected")]
    found = optimal_adjustment_set(
        AdjustmentProblem.of(bf.CausalGraph(tuple(case["nodes"]), *edges), case["treatments"], case["outcomes"])
    )
    expected = case["optimal_adjustment_set"]
    assert found is None if expected is None else set(found or ()) == set(expected)


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
    assert optimal_adjustment_set(problem("u [latent]; u -> y; z -> x; z -> y; x -> y")) == ("z",)  # u is noise


def _sets(pool: Iterable[str]) -> list[frozenset[str]]:
    names = sorted(pool)
    return [frozenset(s) for k in range(len(names) + 1) for s in itertools.combinations(names, k)]


def _valid_by_definition(graph: bf.CausalGraph, treatments: set[str], outcomes: set[str]) -> list[frozenset[str]]:
    """All adjustment sets: causal paths walked one by one, separation by networkx on the DAG with explicit causes."""
    dag: nx.DiGraph[Any] = nx.DiGraph(graph.directed)
    dag.add_nodes_from(graph.nodes)
    for k, (a, b) in enumerate(graph.bidirected):
        dag.add_edges_from([(("hidden", k), a), (("hidden", k), b)])
    paths = [
        path
        for x, y in itertools.product(treatments, outcomes)
        for path in nx.all_simple_paths(dag, x, y)
        if not treatments & set(path[1:])
    ]
    causal = {n for path in paths for n in path[1:]}
    forbidden = treatments | outcomes | causal | {d for n in causal for d in nx.descendants(dag, n)}
    backdoor = dag.copy()
    backdoor.remove_edges_from([tuple(path[:2]) for path in paths])
    pool = set(graph.observed) - forbidden
    return [s for s in _sets(pool) if nx.is_d_separator(backdoor, treatments, outcomes, set(s))]


def _smallest(sets: list[frozenset[str]]) -> set[frozenset[str]]:
    return {s for s in sets if not any(other < s for other in sets)}


@given(graphs(nodes=6, latent=True), st.data())
@settings(max_examples=200, deadline=None)
def test_all_minimal_sets_and_no_others(graph: bf.CausalGraph, data: st.DataObject) -> None:
    """Against the definition: joint effects, nodes that every set must hold, and nodes that none may."""
    order = data.draw(st.permutations(graph.nodes))
    many = data.draw(st.booleans()) and len(order) > 3
    x, y = (set(order[:2]), set(order[2:4])) if many else (set(order[:1]), set(order[1:2]))
    rest = order[4 if many else 2 :]
    forced = set(data.draw(st.lists(st.sampled_from(rest), max_size=1))) if rest else set[str]()
    never = set(data.draw(st.lists(st.sampled_from(rest), max_size=1))) - forced if rest else set[str]()
    graph = graph.replaced(latent=graph.latent - x - y)
    task = AdjustmentProblem.of(graph, x, y)
    valid = _valid_by_definition(graph, x, y)
    assert {s for s in _sets(graph.nodes) if task.is_valid(s)} == set(valid)
    found = [frozenset(s) for s in minimal_adjustment_sets(task, must_include=forced, never=never)]
    assert len(found) == len(set(found))
    assert set(found) == _smallest([s for s in valid if forced <= s and not never & s])
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


def _variance(covariance: np.ndarray, of: int, given: list[int]) -> float:
    if not given:
        return float(covariance[of, of])
    slopes = np.linalg.solve(covariance[np.ix_(given, given)], covariance[given, of])
    return float(covariance[of, of] - covariance[of, given] @ slopes)


@given(graphs(nodes=6, latent=True))
@settings(max_examples=150, deadline=None)
def test_no_valid_set_is_more_precise_than_the_optimal_one(graph: bf.CausalGraph) -> None:
    """Least squares has the asymptotic variance var(y | x, z) / var(x | z) on linear Gaussian models."""
    x, y = graph.nodes[0], graph.nodes[-1]
    task = AdjustmentProblem.of(graph.replaced(latent=graph.latent - {x, y}), {x}, {y})
    optimal = optimal_adjustment_set(task)
    assume(optimal is not None)
    covariance, _ = _linear_effect(graph, np.random.default_rng(len(graph.directed)))

    def asymptotic(names: Iterable[str]) -> float:
        z = [graph.nodes.index(n) for n in names]
        return _variance(covariance, len(graph.nodes) - 1, [0, *z]) / _variance(covariance, 0, z)

    best = asymptotic(optimal or ())
    assert all(best <= asymptotic(s) * (1 + 1e-9) for s in _sets(task.candidates) if task.is_valid(s))


class _Discrete:
    """A random model of yes-or-no variables on a graph, added up over all worlds."""

    def __init__(self, graph: bf.CausalGraph, rng: np.random.Generator) -> None:
        hidden = [f"hidden {k}" for k in range(len(graph.bidirected))]
        self.names = [*hidden, *graph.topological_order]
        causes: dict[str, list[str]] = {h: [] for h in hidden}
        for n in graph.nodes:
            shared = [h for h, edge in zip(hidden, graph.bidirected, strict=True) if n in edge]
            causes[n] = [*graph.parents(n), *shared]
        self.tables = {n: (causes[n], rng.uniform(0.1, 0.9, (2,) * len(causes[n]))) for n in self.names}

    def worlds(self, setting: dict[str, int]) -> list[tuple[dict[str, int], float]]:
        """Every world and its probability when some variables are set."""
        found: list[tuple[dict[str, int], float]] = []
        for values in itertools.product((0, 1), repeat=len(self.names)):
            world = dict(zip(self.names, values, strict=True))
            weight = 1.0
            for n, (causes, table) in self.tables.items():
                chance = float(table[tuple(world[c] for c in causes)])
                weight *= float(world[n] == setting[n]) if n in setting else chance if world[n] else 1 - chance
            found.append((world, weight))
        return found

    def mean(self, outcome: str, setting: dict[str, int]) -> float:
        """The probability of the outcome when some variables are set."""
        return sum(p for w, p in self.worlds(setting) if w[outcome])


def _adjusted(model: _Discrete, outcome: str, treatment: dict[str, int], names: list[str], chosen: set[str]) -> float:
    """Σ_z P(outcome | treatment, z) P(z) among the chosen rows."""
    strata: dict[tuple[int, ...], list[float]] = {}
    for world, p in model.worlds({}):
        if all(world[s] for s in chosen):
            cell = strata.setdefault(tuple(world[n] for n in names), [0.0, 0.0, 0.0])
            inside = all(world[n] == v for n, v in treatment.items())
            cell[0] += p
            cell[1] += p * inside
            cell[2] += p * inside * world[outcome]
    total = sum(cell[0] for cell in strata.values())
    return sum(cell[0] / total * cell[2] / cell[1] for cell in strata.values())


@given(graphs(nodes=5, selected=True), st.integers(0, 1000))
@settings(max_examples=100, deadline=None)
def test_adjusting_gives_the_effect_where_only_chosen_rows_are_seen(graph: bf.CausalGraph, seed: int) -> None:
    x, y = graph.nodes[0], graph.nodes[-1]
    task = AdjustmentProblem.of(graph, {x}, {y})
    valid = [s for s in _sets(task.candidates) if task.is_valid(s)]
    assume(valid and len(graph.bidirected) < 5)
    found = {frozenset(s) for s in minimal_adjustment_sets(task)}
    assert found == _smallest(valid)
    model = _Discrete(graph, np.random.default_rng(seed))
    truth = model.mean(y, {x: 1})
    for names in (*found, task.canonical):
        assert _adjusted(model, y, {x: 1}, sorted(names), set(graph.selected)) == pytest.approx(truth, abs=1e-10)
