"""Adjustment sets: published cases, brute force by the definition, and the effect itself on linear models."""

from __future__ import annotations

import itertools
import json
import math
import random
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import butfor as bf
from butfor.core.errors import InvalidSetting, UnknownNode
from butfor.identify.adjustment import (
    AdjustmentProblem,
    canonical_adjustment_set,
    cheapest_adjustment_set,
    is_adjustment_set,
    minimal_adjustment_sets,
    optimal_adjustment_set,
    optimal_minimal_adjustment_set,
)
from tests.graph.strategies import graphs
from tests.identify.explicit import explicit_dag, smallest, subsets

DATA = Path(__file__).parent / "data"
# Many random graphs have no valid set at all (of those with an optimal set, one in four): to look on is no fault.
RELAXED = [HealthCheck.filter_too_much, HealthCheck.too_slow]
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
def test_published_optimalsubsets(case: dict[str, Any]) -> None:
    edges = [tuple(map(tuple, case[kind])) for kind in ("directed", "bidirected")]
    found = optimal_adjustment_set(
        AdjustmentProblem.of(bf.CausalGraph(tuple(case["nodes"]), *edges), case["treatments"], case["outcomes"])
    )
    expected = case["optimal_adjustment_set"]
    assert found is None if expected is None else set(found or ()) == set(expected)


@pytest.mark.parametrize("case", OPTIMAL, ids=lambda c: c["name"])
def test_published_optimal_minimal_sets(case: dict[str, Any]) -> None:
    edges = [tuple(map(tuple, case[kind])) for kind in ("directed", "bidirected")]
    graph = bf.CausalGraph(tuple(case["nodes"]), *edges)
    found = optimal_minimal_adjustment_set(AdjustmentProblem.of(graph, case["treatments"], case["outcomes"]))
    assert set(found or ()) == set(case["optimal_minimal_adjustment_set"])
    assert found is not None


def test_the_optimal_minimal_set_of_a_treatment_rule() -> None:
    """Smucler, Sapienza and Rotnitzky 2022, figure 4: the rule looks at T, so every set holds it."""
    task = problem("x -> y; T -> W1; T -> y; W1 -> x; W2 -> W1; W2 -> y; W3 -> W1; W3 -> y; W4 -> y")
    assert optimal_minimal_adjustment_set(task, must_include=["T"]) == ("T", "W2", "W3")
    assert optimal_adjustment_set(task) == ("T", "W2", "W3", "W4")
    assert set(cheapest_adjustment_set(task, must_include=["T"]) or ()) == {"T", "W1"}


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


def _valid_by_definition(graph: bf.CausalGraph, treatments: set[str], outcomes: set[str]) -> list[frozenset[str]]:
    """All adjustment sets: causal paths walked one by one, separation by networkx on the DAG with explicit causes."""
    dag = explicit_dag(graph)
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
    return [s for s in subsets(pool) if nx.is_d_separator(backdoor, treatments, outcomes, set(s))]


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
    assert {s for s in subsets(graph.nodes) if task.is_valid(s)} == set(valid)
    found = [frozenset(s) for s in minimal_adjustment_sets(task, must_include=forced, never=never)]
    assert len(found) == len(set(found))
    assert set(found) == smallest([s for s in valid if forced <= s and not never & s])
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
@settings(max_examples=100, deadline=None, suppress_health_check=RELAXED)
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


class _Precision:
    """The asymptotic variance of least squares, var(y | x, z) / var(x | z), on a random linear Gaussian model."""

    def __init__(self, graph: bf.CausalGraph) -> None:
        self.graph = graph
        self.covariance = _linear_effect(graph, np.random.default_rng(len(graph.directed)))[0]

    def __call__(self, names: Iterable[str]) -> float:
        z = [self.graph.nodes.index(n) for n in names]
        return _variance(self.covariance, len(self.graph.nodes) - 1, [0, *z]) / _variance(self.covariance, 0, z)


@given(graphs(nodes=6, latent=True))
@settings(max_examples=150, deadline=None, suppress_health_check=RELAXED)
def test_no_valid_set_is_more_precise_than_the_optimal_one(graph: bf.CausalGraph) -> None:
    x, y = graph.nodes[0], graph.nodes[-1]
    task = AdjustmentProblem.of(graph.replaced(latent=graph.latent - {x, y}), {x}, {y})
    optimal = optimal_adjustment_set(task)
    assume(optimal is not None)
    variance = _Precision(graph)
    best = variance(optimal or ())
    assert all(best <= variance(s) * (1 + 1e-9) for s in subsets(task.candidates) if task.is_valid(s))


@given(graphs(nodes=7, latent=True), st.data())
@settings(max_examples=80, deadline=None, suppress_health_check=RELAXED)
def test_of_minimal_and_of_cheapest_sets_the_most_precise_is_found(graph: bf.CausalGraph, data: st.DataObject) -> None:
    x, y = graph.nodes[0], graph.nodes[-1]
    task = AdjustmentProblem.of(graph.replaced(latent=graph.latent - {x, y}), {x}, {y})
    valid = [s for s in subsets(task.candidates) if task.is_valid(s)]
    assume(valid and task.causal)
    pool = sorted(task.candidates)
    forced = frozenset(data.draw(st.lists(st.sampled_from(pool), max_size=1)) if pool else [])
    costs = {n: data.draw(st.sampled_from([1.0, 1.0, 2.0, 3.0])) for n in graph.nodes}
    variance = _Precision(graph)
    allowed = [s for s in valid if forced <= s]
    best = optimal_minimal_adjustment_set(task, must_include=forced)
    cheap = cheapest_adjustment_set(task, costs, must_include=forced)
    if not allowed:
        assert best is None
        assert cheap is None
        return
    minimal = smallest(allowed)
    price = min(sum(costs[n] for n in s) for s in allowed)
    cheapest = {s for s in allowed if sum(costs[n] for n in s) == price}
    for found, rivals in ((best, minimal), (cheap, cheapest)):
        assert frozenset(found or ()) in rivals
        assert all(variance(found or ()) <= variance(s) * (1 + 1e-9) for s in rivals)


@given(graphs(nodes=7, latent=True, selected=True), st.data())
@settings(max_examples=80, deadline=None)
def test_no_valid_set_is_cheaper_than_the_cheapest(graph: bf.CausalGraph, data: st.DataObject) -> None:
    """Joint effects, costs of nothing and of everything, fractions, nodes that none may hold."""
    order = data.draw(st.permutations(graph.nodes))
    many = data.draw(st.booleans()) and len(order) > 3
    x, y = (set(order[:2]), set(order[2:4])) if many else (set(order[:1]), set(order[1:2]))
    graph = graph.replaced(latent=graph.latent - x - y)
    task = AdjustmentProblem.of(graph, x, y)
    never = set(data.draw(st.lists(st.sampled_from(graph.nodes), max_size=1)))
    costs = {n: data.draw(st.sampled_from([0.0, 0.1, 0.2, 0.3, 1.0, math.inf])) for n in graph.nodes}
    valid = [s for s in subsets(task.candidates - never) if task.is_valid(s)]
    affordable = [s for s in valid if not any(math.isinf(costs[n]) for n in s)]
    tenths = {n: 0 if math.isinf(c) else round(10 * c) for n, c in costs.items()}
    found = cheapest_adjustment_set(task, costs, never=never)
    fewest = cheapest_adjustment_set(task, never=never)
    assert (found is None) is (not affordable)
    assert (fewest is None) is (not valid)
    if found is not None:
        assert task.is_valid(found)
        assert sum(tenths[n] for n in found) == min(sum(tenths[n] for n in s) for s in affordable)
        assert frozenset(found) in smallest(affordable)
    if fewest is not None:
        assert task.is_valid(fewest)
        assert len(fewest) == min(map(len, valid))
    full = canonical_adjustment_set(task)
    assert (full is None) is (not any(task.is_valid(s) for s in subsets(task.candidates)))


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
@settings(max_examples=100, deadline=None, suppress_health_check=RELAXED)
def test_adjusting_gives_the_effect_where_only_chosen_rows_are_seen(graph: bf.CausalGraph, seed: int) -> None:
    x, y = graph.nodes[0], graph.nodes[-1]
    task = AdjustmentProblem.of(graph, {x}, {y})
    valid = [s for s in subsets(task.candidates) if task.is_valid(s)]
    assume(valid and len(graph.bidirected) < 5)
    found = {frozenset(s) for s in minimal_adjustment_sets(task)}
    assert found == smallest(valid)
    model = _Discrete(graph, np.random.default_rng(seed))
    truth = model.mean(y, {x: 1})
    for names in (*found, task.canonical):
        assert _adjusted(model, y, {x: 1}, sorted(names), set(graph.selected)) == pytest.approx(truth, abs=1e-10)


def test_costs_must_be_costs() -> None:
    task = problem("z -> x -> y; z -> y")
    for cost in (-1.0, math.nan):
        with pytest.raises(InvalidSetting, match="The cost of 'z' is"):
            cheapest_adjustment_set(task, {"z": cost})
    with pytest.raises(UnknownNode, match="'w' is not in the graph; the costs"):
        cheapest_adjustment_set(task, {"w": 1.0})
    assert cheapest_adjustment_set(task, {"z": math.inf}) is None


def test_where_the_theory_is_silent_no_minimal_set_is_called_the_best() -> None:
    several = AdjustmentProblem.of(bf.CausalGraph.from_any("z -> x -> y; z -> y; w -> y"), {"x", "w"}, {"y"})
    assert optimal_minimal_adjustment_set(several) is None
    assert optimal_minimal_adjustment_set(problem("z -> x; z -> y")) is None  # no effect
    assert optimal_minimal_adjustment_set(problem("x -> y; x <-> y")) is None


def test_large_graphs_take_seconds() -> None:
    rng = random.Random(3)
    names = [f"v{i}" for i in range(10_000)]
    edges = {(names[rng.randrange(max(0, i - 60), i)], names[i]) for i in range(1, 10_000) for _ in range(4)}
    ties = {(names[i], names[i + 7]) for i in range(0, 9_000, 50)}
    graph = bf.CausalGraph(tuple(names), tuple(sorted(edges)), tuple(sorted(ties)))
    costs = {n: rng.choice([0.5, 1.0, 2.0, 3.0]) for n in names}
    start = time.process_time()
    task = AdjustmentProblem.of(graph, {names[9_900]}, {names[9_990]})
    found = [
        canonical_adjustment_set(task),
        cheapest_adjustment_set(task),
        cheapest_adjustment_set(task, costs),
        optimal_minimal_adjustment_set(task),
    ]
    assert time.process_time() - start < 10
    assert all(s is not None and task.is_valid(s) for s in found)
    assert len(found[1] or ()) <= len(found[3] or ())
